package channeltest_test

import (
	"testing"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/channels/smtp"
	"github.com/odziv/odziv/channels/twilio"
)

// The drivers against servers of this package, which share the processor with them.
func BenchmarkSend(b *testing.B) {
	bench := func(b *testing.B, c channels.Channel, m channels.Message) {
		b.SetParallelism(10)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := c.Send(b.Context(), m); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "sends/s")
	}
	b.Run("twilio", func(b *testing.B) {
		s, err := channeltest.NewTwilio(channeltest.TwilioConfig{AccountSID: account, AuthToken: token})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		c, err := twilio.New(twilio.Config{BaseURL: s.URL(), AccountSID: account, AuthToken: token, From: "+385998765432"})
		if err != nil {
			b.Fatal(err)
		}
		bench(b, c, sms(nil, 1))
	})
	b.Run("smtp", func(b *testing.B) {
		s, err := channeltest.NewSMTP(channeltest.SMTPConfig{CheckEvery: 1000})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		c, err := smtp.New(smtp.Config{URL: s.URL(), From: "ankete@example.hr", Concurrency: 20})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		m := sms(nil, 1)
		m.To, m.Subject, m.HTML, m.UnsubscribeURL = "ana@example.hr", "Kako je prošlo?", "<p>Koliko ste zadovoljni?</p>", "https://ask.example.hr/u/A"
		bench(b, c, m)
	})
}
