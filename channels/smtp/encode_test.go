package smtp

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"io"
	"mime/quotedprintable"
	"net/textproto"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// seeds of what is hard to encode.
func seeds() []string {
	return []string{
		"", "a", "a=b", "Koliko ste zadovoljni?\nhttps://x.hr/s/1\n", "blank at the end \nof a line\t\r\nand of all ",
		strings.Repeat("a", 75), strings.Repeat("a", 76), strings.Repeat("a", 77), strings.Repeat("a", 75) + " ", strings.Repeat("a", 75) + " \n",
		strings.Repeat("a", 74) + " \nb", strings.Repeat("č", 40), strings.Repeat("a", 74) + "č", strings.Repeat("a", 72) + "=", strings.Repeat("a", 73) + "=",
		".\r\n..\r\n.a\n.", strings.Repeat(" ", 80), strings.Repeat(" ", 75) + "\n", "\x00\x7f\xff", strings.Repeat("a", 75) + ".", "\n\n\n",
	}
}

// FuzzAppendQP compares with the encoder of the standard library, and reads what was written.
func FuzzAppendQP(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "")
		if len(s)%2 == 0 {
			s = strings.ReplaceAll(s, "\n", "\r\n")
		}
		var want bytes.Buffer
		w := quotedprintable.NewWriter(&want)
		_, _ = io.WriteString(w, s)
		_ = w.Close()
		got := appendQP([]byte("before"), s)[len("before"):]
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("appendQP(%q) (-library +ours):\n%s", s, diff)
		}
		back, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(got)))
		if normal := strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\n", "\r\n"); err != nil || string(back) != normal {
			t.Errorf("appendQP(%q) reads as %q, %v", s, back, err)
		}
	})
}

func FuzzAppendBase64(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := string(appendBase64(nil, s))
		for line := range strings.SplitSeq(strings.TrimSuffix(got, "\r\n"), "\r\n") {
			if len(line) > maxLine {
				t.Errorf("a line has %d characters", len(line))
			}
		}
		if back, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(got, "\r\n", "")); err != nil || string(back) != s {
			t.Errorf("appendBase64(%q) reads as %q, %v", s, back, err)
		}
	})
}

// FuzzFinishData reads what was written as a server does.
func FuzzFinishData(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = strings.ReplaceAll(strings.ReplaceAll(s, "\r", ""), "\n", "\r\n") // as the encoders leave it
		wire := finishData(append(make([]byte, 0, len(s)+len(s)%7), s...))
		if n := bytes.Count(append([]byte("\r\n"), wire...), []byte("\r\n.\r\n")); n != 1 || !bytes.HasSuffix(wire, []byte("\r\n.\r\n")) && s != "" {
			t.Fatalf("finishData(%q) = %q: ends %d times", s, wire, n)
		}
		r := textproto.NewReader(bufio.NewReader(iotest.OneByteReader(bytes.NewReader(wire))))
		back, err := io.ReadAll(r.DotReader())
		want := strings.ReplaceAll(s, "\r\n", "\n")
		if !strings.HasSuffix(want, "\n") {
			want += "\n"
		}
		if err != nil || string(back) != want {
			t.Errorf("finishData(%q) reads as %q, %v", s, back, err)
		}
	})
}

func TestAppendField(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("word ", 30) + "end"
	tests := []struct{ name, value, want string }{
		{"short", "a b", "Subject: a b\r\n"},
		{"empty", "", "Subject: \r\n"},
		{"two blanks", "a  b", "Subject: a  b\r\n"},
		{"one long word", strings.Repeat("x", 90), "Subject:\r\n " + strings.Repeat("x", 90) + "\r\n"},
		{"folded", long, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := string(appendField(nil, "Subject", tt.value))
			if tt.want != "" && got != tt.want {
				t.Errorf("appendField = %q; want %q", got, tt.want)
			}
			if unfolded := strings.ReplaceAll(got, "\r\n ", " "); unfolded != "Subject: "+tt.value+"\r\n" {
				t.Errorf("appendField = %q, which reads as %q", got, unfolded)
			}
			for line := range strings.SplitSeq(got, "\r\n") {
				if len(line) > maxLine+2 && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("line %q is too long", line)
				}
			}
		})
	}
}
