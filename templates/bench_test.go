package templates_test

import (
	"testing"

	"github.com/odziv/odziv/survey"
)

// BenchmarkRender makes one message as a gateway does for each send.
func BenchmarkRender(b *testing.B) {
	r := newRenderer(b)
	sv := survey.Builtin()[0]
	for _, bb := range []struct {
		name    string
		channel survey.Channel
		locale  string
	}{
		{"email/hr", survey.Email, "hr"},
		{"email/fa", survey.Email, "fa"},
		{"sms/hr", survey.SMS, "hr"},
		{"sms/fa", survey.SMS, "fa"},
		{"viber/hr", survey.Viber, "hr"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(b.Context(), newRequest(r, sv, survey.Invitation, bb.channel, bb.locale)); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bb.name+"/ready", func(b *testing.B) {
			req := newRequest(r, sv, survey.Invitation, bb.channel, bb.locale)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(b.Context(), req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
