package smtp

import (
	"net/mail"
	"strings"
	"testing"

	gomail "github.com/wneessen/go-mail"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// invitationOf is a mail as long as those of the standard layout.
func invitationOf(text string) channels.Message {
	row := `<td width="48" align="center" style="width:48px;padding:4px 1px"><a class="o-num" href="https://ask.example.hr/s/AbCdEf?score=9" ` +
		`aria-label="9 / 10" style="display:block;width:44px;font-size:18px;line-height:46px">9</a></td>` + "\n"
	return channels.Message{
		AttemptID: "att_01K0000000000000000000000A", SendID: "snd_01K0000000000000000000000A", Kind: survey.Invitation, Mode: survey.Live,
		Channel: survey.Email, To: "ana.kovac@example.hr", ToName: "Ana Kovač", Subject: "Kako je prošla dostava?", Text: text,
		HTML: "<p>" + text + "</p>" + strings.Repeat(row, 45), Locale: "hr", UnsubscribeURL: "https://ask.example.hr/u/AbC",
	}
}

// BenchmarkBuild makes the bytes of a mail: by its frame, and, to compare, by go-mail from nothing.
func BenchmarkBuild(b *testing.B) {
	c, err := New(Config{URL: "smtp://localhost?tls=none", From: "Trgovina <ankete@example.hr>"})
	if err != nil {
		b.Fatal(err)
	}
	for _, bb := range []struct {
		name, text string
		encoding   gomail.Encoding
	}{
		{"latin", "Koliko je vjerojatno da biste nas preporučili?\nhttps://ask.example.hr/s/AbC\n", gomail.EncodingQP},
		{"cyrillic", "Колико је вероватно да бисте нас препоручили пријатељу или колеги?", gomail.EncodingB64},
	} {
		m := invitationOf(bb.text)
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			for b.Loop() {
				to, err := parseAddress(m.To)
				if err != nil {
					b.Fatal(err)
				}
				e, err := c.build(buf, m, *to)
				if err != nil {
					b.Fatal(err)
				}
				buf = e.data
			}
		})
		b.Run(bb.name+"/from-nothing", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.whole(m, mail.Address{Name: m.ToName, Address: m.To}, bb.encoding, ""); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
