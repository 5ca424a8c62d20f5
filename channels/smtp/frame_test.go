package smtp

import (
	"bytes"
	"net/mail"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	gomail "github.com/wneessen/go-mail"

	"github.com/odziv/odziv/channels"
)

// fields are the fields of a head, unfolded and sorted, but for the one that is the time.
func fields(head []byte) []string {
	var out []string
	for f := range strings.SplitSeq(strings.ReplaceAll(string(head), "\r\n ", " "), "\r\n") {
		if !strings.HasPrefix(f, "Date:") {
			out = append(out, strings.ReplaceAll(f, ":  ", ": "))
		}
	}
	slices.Sort(out)
	return out
}

// TestFrame compares mails that were put together with those that go-mail builds from nothing.
func TestFrame(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*channels.Message)
		base64 bool
	}{
		{"latin", func(*channels.Message) {}, false},
		{"text only", func(m *channels.Message) { m.HTML = "" }, false},
		{"cyrillic", func(m *channels.Message) {
			m.Text = "Колико сте задовољни нашом доставом?\n"
		}, true},
		{"cyrillic text only", func(m *channels.Message) {
			m.Text, m.HTML = "Колико сте задовољни нашом доставом?", ""
		}, true},
		{"nobody's name", func(m *channels.Message) { m.ToName = "" }, false},
		{"no way out", func(m *channels.Message) { m.UnsubscribeURL = "" }, false},
		{"long subject", func(m *channels.Message) { m.Subject = strings.Repeat("Kako je prošla dostava? ", 8) }, false},
		{"long ascii subject", func(m *channels.Message) { m.Subject = strings.Repeat("How was it? ", 20) }, false},
		{"header in the subject", func(m *channels.Message) { m.Subject = "a\r\nBcc: eva@example.hr" }, false},
		{"dots", func(m *channels.Message) { m.Text = ".\n..\n.a\n" }, false},
		{"no html words", func(m *channels.Message) { m.Text = "" }, false},
	}
	c, err := New(Config{URL: "smtp://localhost", From: "Trgovina Šećer <ankete@šećer.hr>", ReplyTo: "Podrška <p@example.hr>"})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := invitationOf("Koliko ste zadovoljni?\nhttps://ask.example.hr/s/AbC\n")
			tt.change(&m)
			encoding := gomail.EncodingQP
			if tt.base64 {
				encoding = gomail.EncodingB64
			}
			for range 2 { // the second time the frame is there
				checkFrame(t, c, m, encoding)
			}
		})
	}
}

func checkFrame(t *testing.T, c *Channel, m channels.Message, encoding gomail.Encoding) {
	t.Helper()
	e, err := c.build(nil, m, mail.Address{Address: m.To})
	if err != nil {
		t.Fatal(err)
	}
	got := bytes.ReplaceAll(bytes.TrimSuffix(e.data, []byte(".\r\n")), []byte("\r\n.."), []byte("\r\n."))
	boundary := "none"
	if _, rest, found := strings.Cut(string(got), "boundary="); found {
		boundary, _, _ = strings.Cut(rest, "\r\n")
	}
	want, err := c.whole(m, mail.Address{Name: m.ToName, Address: m.To}, encoding, boundary)
	if err != nil {
		t.Fatal(err)
	}
	if m.UnsubscribeURL != "" {
		want = append([]byte("List-Unsubscribe: <"+m.UnsubscribeURL+">\r\n"), want...)
	}
	wantHead, wantBody, _ := bytes.Cut(want, []byte("\r\n\r\n"))
	gotHead, gotBody, _ := bytes.Cut(got, []byte("\r\n\r\n"))
	if diff := cmp.Diff(fields(wantHead), fields(gotHead)); diff != "" {
		t.Errorf("head (-go-mail +frame):\n%s", diff)
	}
	if diff := cmp.Diff(strings.TrimSuffix(string(wantBody), "\r\n"), strings.TrimSuffix(string(gotBody), "\r\n")); diff != "" {
		t.Errorf("body (-go-mail +frame):\n%s", diff)
	}
}

// Who got a mail knows its boundary, and may write it into a text of the next.
func TestBoundaryInAText(t *testing.T) {
	t.Parallel()
	c, err := New(Config{URL: "smtp://localhost", From: "ankete@example.hr"})
	if err != nil {
		t.Fatal(err)
	}
	m := invitationOf("Koliko ste zadovoljni?")
	first, err := c.build(nil, m, mail.Address{Address: m.To})
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(first.data), "boundary=")
	known, _, _ := strings.Cut(rest, "\r\n")
	for _, m.Text = range []string{"--" + known + "--\n", "a\n--" + known + "\nContent-Type: text/html\n\n<b>not ours</b>"} {
		e, err := c.build(nil, m, mail.Address{Address: m.To})
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(e.data), "boundary=")
		used, _, _ := strings.Cut(rest, "\r\n")
		if used == known || strings.Count(string(e.data), "--"+used) != 3 {
			t.Errorf("the boundary is %q again, and stands %d times", used, strings.Count(string(e.data), "--"+used))
		}
	}
}

func TestFramesAreBounded(t *testing.T) {
	t.Parallel()
	c, err := New(Config{URL: "smtp://localhost", From: "ankete@example.hr"})
	if err != nil {
		t.Fatal(err)
	}
	m := invitationOf("a")
	for i := range 2*maxFrames + 10 {
		m.Locale = strings.Repeat("x", i%300) + string(rune('a'+i%26))
		if _, err := c.build(nil, m, mail.Address{Address: m.To}); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.frames.made); n == 0 || n > maxFrames {
		t.Errorf("%d frames are kept; want 1 to %d", n, maxFrames)
	}
}
