package api

import (
	"fmt"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/odziv/odziv/survey"
)

func BenchmarkDecode(b *testing.B) {
	for _, body := range []struct{ name, src string }{{"least", least}, {"full", full}} {
		b.Run(body.name, func(b *testing.B) {
			d := newRig(b).api.sends
			raw := []byte(body.src)
			b.ReportAllocs()
			for b.Loop() {
				if _, errs, _ := d.decode(string(raw), survey.Live, "key_1", noon); errs != nil {
					b.Fatal(errs)
				}
			}
		})
	}
}

func BenchmarkPhone(b *testing.B) {
	p := newPhones()
	for _, s := range []string{"+385911234567", "+385 91 123 4567", "+۹۸۹۱۲۱۲۳۴۵۶۷", "+385 (0)91 123 4567", "+14155552671"} {
		b.Run(strings.ReplaceAll(s, " ", ""), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, code, _ := p.phone(s); code != "" {
					b.Fatal(code)
				}
			}
		})
	}
}

// BenchmarkCreateSend is the whole way through the server without the network, on a store that does nothing.
func BenchmarkCreateSend(b *testing.B) {
	r := newRig(b, func(c *Config) { c.Sends = nowhere{c.Sends} })
	handle := r.app.Handler()
	var ctx fasthttp.RequestCtx
	b.ReportAllocs()
	for b.Loop() {
		ctx.Request.Reset()
		ctx.Response.Reset()
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/v1/sends")
		ctx.Request.Header.Set("Authorization", "Bearer "+liveKey)
		ctx.Request.Header.SetContentType("application/json")
		ctx.Request.SetBodyString(full)
		handle(&ctx)
		if ctx.Response.StatusCode() != 202 {
			b.Fatal(string(ctx.Response.Body()))
		}
	}
}

func BenchmarkCreateBatch(b *testing.B) {
	r := newRig(b, func(c *Config) { c.Sends = nowhere{c.Sends} })
	handle := r.app.Handler()
	line := strings.ReplaceAll(full, "\n", "")
	var body strings.Builder
	for i := range 10_000 {
		fmt.Fprintln(&body, strings.Replace(line, "order-10023", fmt.Sprintf("order-%d", i), 1))
	}
	var ctx fasthttp.RequestCtx
	b.ReportAllocs()
	for b.Loop() {
		ctx.Request.Reset()
		ctx.Response.Reset()
		ctx.Request.Header.SetMethod("POST")
		ctx.Request.SetRequestURI("/v1/sends/batch")
		ctx.Request.Header.Set("Authorization", "Bearer "+liveKey)
		ctx.Request.Header.SetContentType("application/x-ndjson")
		ctx.Request.SetBodyString(body.String())
		handle(&ctx)
		if ctx.Response.StatusCode() != 202 {
			b.Fatal(string(ctx.Response.Body()))
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10_000, "ns/send")
}
