package smtp

import (
	"bytes"
	"crypto/rand"
	"errors"
	"mime"
	"net/mail"
	"strings"
	"sync"

	gomail "github.com/wneessen/go-mail"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// Building a mail with go-mail costs as much as sending it. Thousands of mails differ in a few fields of the head and in
// their texts only, so go-mail builds one for each form, and its bytes are kept without those.

// maxFrames bounds the frames of an account, 1 kB each: kinds × locales × forms.
const maxFrames = 256

// A frameKey is everything about a mail that a frame depends on.
type frameKey struct {
	kind     survey.Kind
	mode     survey.Mode
	locale   string
	encoding gomail.Encoding
	html     bool
	leave    bool // there is a page to unsubscribe
}

// A frame is what mails of one form have in common. Safe for concurrent use.
type frame struct {
	encoding gomail.Encoding
	boundary []byte // "--" and the boundary; nil = one part
	head     []byte // the fields that are the same, the blank line, and the head of the text
	html     []byte // from the end of the text to the HTML; nil = there is none
	end      []byte
}

// frames are the frames of an account. The zero value is ready.
type frames struct {
	mu   sync.RWMutex
	made map[frameKey]*frame // guarded by mu
}

// A builder makes a whole mail.
type builder func(m channels.Message, to mail.Address, encoding gomail.Encoding, boundary string) ([]byte, error)

// of gives the frame of a key, and makes it when there is none.
func (f *frames) of(key frameKey, build builder) (*frame, error) {
	f.mu.RLock()
	found := f.made[key]
	f.mu.RUnlock()
	if found != nil {
		return found, nil
	}
	made, err := newFrame(key, build)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.made == nil || len(f.made) >= maxFrames {
		f.made = make(map[frameKey]*frame)
	}
	f.made[key] = made
	return made, nil
}

// newFrame builds a mail of the form of key and takes it apart.
func newFrame(key frameKey, build builder) (*frame, error) {
	boundary, text, html := "odziv"+rand.Text(), "text"+rand.Text(), ""
	m := channels.Message{AttemptID: "id", Subject: "subject", Kind: key.kind, Mode: key.mode, Locale: key.locale, Text: text}
	if key.html {
		html = "html" + rand.Text()
		m.HTML = html
	}
	if key.leave {
		m.UnsubscribeURL = "https://example.org/"
	}
	data, err := build(m, mail.Address{Address: "a@example.org"}, key.encoding, boundary)
	if err != nil {
		return nil, err
	}
	f := &frame{encoding: key.encoding}
	before, after, found := bytes.Cut(data, f.encode(nil, text))
	if key.html {
		f.boundary = []byte("--" + boundary)
		if found {
			f.html, after, found = bytes.Cut(after, f.encode(nil, html))
		}
	}
	head, rest, headEnds := bytes.Cut(before, []byte("\r\n\r\n"))
	if !found || !headEnds {
		return nil, errors.New("build message: a placeholder is lost")
	}
	f.head = append(append(constant(head), "\r\n"...), rest...)
	f.end = after
	return f, nil
}

// constant are the fields of a head that are the same for every mail of a form, each with its end.
func constant(head []byte) []byte {
	var out []byte
	keep := false
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) > 0 && line[0] != ' ' && line[0] != '\t' {
			name, _, _ := strings.Cut(string(line), ":")
			switch strings.ToLower(name) {
			case "date", "message-id", "to", "subject":
				keep = false
			default:
				keep = true
			}
		}
		if keep {
			out = append(append(out, line...), '\r', '\n')
		}
	}
	return out
}

// encode appends a body in the encoding of the frame.
func (f *frame) encode(dst []byte, s string) []byte {
	if f.encoding == gomail.EncodingB64 {
		return appendBase64(dst, s)
	}
	return appendQP(dst, s)
}

// fill appends the rest of a mail to the fields of its own.
func (f *frame) fill(data []byte, text, html string) []byte {
	from := len(data)
	data = append(data, f.head...)
	body := len(data)
	data = f.encode(data, text)
	if f.boundary == nil {
		return append(data, f.end...)
	}
	middle := len(data)
	data = append(data, f.html...)
	second := len(data)
	data = f.encode(data, html)
	if bytes.Contains(data[body:middle], f.boundary) || bytes.Contains(data[second:], f.boundary) {
		return f.other().fill(data[:from], text, html)
	}
	return append(data, f.end...)
}

// other is the frame with another boundary: somebody who got a mail may write its boundary into the next one.
func (f *frame) other() *frame {
	boundary := []byte("--odziv" + rand.Text())
	swap := func(b []byte) []byte { return bytes.ReplaceAll(b, f.boundary[2:], boundary[2:]) }
	return &frame{encoding: f.encoding, boundary: boundary, head: swap(f.head), html: swap(f.html), end: swap(f.end)}
}

// encodedWords is a field's value where it is not ASCII alone.
//
// Source: RFC 2047.
func encodedWords(encoding gomail.Encoding, s string) string {
	if encoding == gomail.EncodingB64 {
		return mime.BEncoding.Encode("UTF-8", s)
	}
	return mime.QEncoding.Encode("UTF-8", s)
}
