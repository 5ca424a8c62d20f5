package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/odziv/odziv/channels/twilio"
)

// say writes to the process that started us.
func say(format string, args ...any) { _, _ = fmt.Fprintf(os.Stdout, format, args...) }

// A load is what a generator shall do.
type load struct {
	url, key, mode string
	conns, lines   int
	limit          int
	seconds        time.Duration
	base           int
	channel        string
	delay          string // "" = at once
	token          string // of the provider whose callbacks are signed
	public         string
}

// A loadResult is what it did.
type loadResult struct {
	Items    int     `json:"items"`
	Seconds  float64 `json:"seconds"`
	P50Ms    float64 `json:"p50_ms"`
	P99Ms    float64 `json:"p99_ms"`
	Failures int     `json:"failures"`
	First    string  `json:"first,omitempty"` // first answer that was no success
}

func runLoad(ctx context.Context, args []string) error {
	var l load
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	f.StringVar(&l.url, "url", "", "")
	f.StringVar(&l.key, "key", "", "")
	f.StringVar(&l.mode, "mode", "single", "single, batch or reply")
	f.StringVar(&l.channel, "channel", "sms", "")
	f.IntVar(&l.conns, "conns", 64, "")
	f.IntVar(&l.lines, "lines", 1000, "")
	f.IntVar(&l.limit, "limit", 0, "items; 0 = as many as fit in the time")
	f.IntVar(&l.base, "base", 0, "number of the first item")
	f.DurationVar(&l.seconds, "seconds", 4*time.Second, "")
	f.StringVar(&l.delay, "delay", "", "")
	f.StringVar(&l.token, "token", "", "")
	f.StringVar(&l.public, "public", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(l.run(ctx))
}

func (l load) run(ctx context.Context) loadResult {
	ctx, cancel := context.WithTimeout(ctx, l.seconds)
	defer cancel()
	client := &fasthttp.Client{
		MaxConnsPerHost: l.conns, ReadTimeout: 20 * time.Second, WriteTimeout: 20 * time.Second,
		MaxResponseBodySize: 32 << 20,
	}
	var next atomic.Int64
	next.Store(int64(l.base))
	per := 1
	if l.mode == "batch" {
		per = l.lines
	}
	var mu sync.Mutex
	var res loadResult
	var took []time.Duration
	var wg sync.WaitGroup
	start := time.Now()
	for range l.conns {
		wg.Go(func() {
			req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
			var mine []time.Duration
			items, failures, first := 0, 0, ""
			for ctx.Err() == nil {
				from := int(next.Add(int64(per))) - per
				if l.limit > 0 && from-l.base >= l.limit {
					break
				}
				l.request(req, from, per)
				t := time.Now()
				err := client.Do(req, resp)
				mine = append(mine, time.Since(t))
				if err != nil || resp.StatusCode() >= 300 {
					failures++
					if first == "" {
						first = fmt.Sprintf("%d %v %.300s", resp.StatusCode(), err, resp.Body())
					}
					continue
				}
				items += per
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, mine...)
			res.Items += items
			res.Failures += failures
			if res.First == "" {
				res.First = first
			}
		})
	}
	wg.Wait()
	res.Seconds = time.Since(start).Seconds()
	slices.Sort(took)
	if len(took) > 0 {
		res.P50Ms = float64(took[len(took)/2].Microseconds()) / 1000
		res.P99Ms = float64(took[len(took)*99/100].Microseconds()) / 1000
	}
	return res
}

// request fills in the call for the items from on.
func (l load) request(req *fasthttp.Request, from, n int) {
	req.Reset()
	req.Header.SetMethod(fasthttp.MethodPost)
	if l.mode == "reply" {
		l.reply(req, from)
		return
	}
	req.Header.Set("Authorization", "Bearer "+l.key)
	if l.mode == "single" {
		req.SetRequestURI(l.url + "/v1/sends")
		req.Header.SetContentType("application/json")
		req.SetBody(l.order(nil, from))
		return
	}
	req.SetRequestURI(l.url + "/v1/sends/batch")
	req.Header.SetContentType("application/x-ndjson")
	var body []byte
	for i := range n {
		body = append(l.order(body, from+i), '\n')
	}
	req.SetBody(body)
}

// order appends one send as a shop would ask for it, 486 bytes or so.
func (l load) order(b []byte, i int) []byte {
	id := strconv.Itoa(i)
	phone := "+38591" + strconv.Itoa(1000000+i%9000000)
	b = append(b, `{"survey":"nps-after-purchase","recipient":{"external_id":"c-`+id+`","name":"Ana Kovač","email":"ana`+id+`@example.hr","phone":"`+phone+
		`","locale":"hr","timezone":"Europe/Zagreb"},"transaction":{"id":"order-`+id+`","type":"order.delivered","touchpoint":"delivery","occurred_at":"2026-11-20T14:03:00Z",`+
		`"attributes":{"store":"Zagreb-1","department":"online","employee":"e-17","product":"SKU-1","amount":"129.90","currency":"EUR"}},"channels":["`+l.channel+`"],`...)
	if l.delay != "" {
		b = append(b, `"delay":"`+l.delay+`",`...)
	}
	return append(b,
		`"consent":{"basis":"existing_customer","source":"checkout","at":"2026-11-20T14:00:00Z"}}`...)
}

// reply is a signed callback of Twilio: the customer of order i says 9.
func (l load) reply(req *fasthttp.Request, i int) {
	form := url.Values{
		"AccountSid": {"AC00000000000000000000000000000000"}, "ApiVersion": {"2010-04-01"}, "Body": {"9"},
		"From": {"+38591" + strconv.Itoa(1000000+i%9000000)}, "To": {"+385998765432"}, "NumMedia": {"0"}, "NumSegments": {"1"}, "SmsStatus": {"received"},
		"MessageSid": {fmt.Sprintf("SM%032d", i)},
	}
	path := "/webhooks/twilio/sms/inbound"
	req.SetRequestURI(l.url + path)
	req.Header.SetContentType("application/x-www-form-urlencoded")
	req.Header.Set("X-Twilio-Signature", twilio.Sign(l.token, l.public+path+twilio.SignedForm(form)))
	req.SetBodyString(form.Encode())
}

// parse reads the result of a generator in another process.
func parse(out []byte) (loadResult, error) {
	var r loadResult
	if err := json.Unmarshal(bytes.TrimSpace(out), &r); err != nil {
		return r, fmt.Errorf("%w: %q", err, out)
	}
	if r.Failures > 0 {
		return r, errors.New(strconv.Itoa(r.Failures) + " requests failed, the first: " + strings.TrimSpace(r.First))
	}
	return r, nil
}
