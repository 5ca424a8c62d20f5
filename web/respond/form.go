package respond

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of what a customer may post.
const (
	maxBody    = 256 << 10 // bytes: a comment of the greatest length in the longest encoding, with room to show it again
	maxComment = 4000      // characters
	maxParts   = 20        // of a multipart form
)

var (
	errTooLarge   = errors.New("form is too large")
	errUnreadable = errors.New("form cannot be read")
	errNotText    = errors.New("text is not UTF-8")
	errTooLong    = errors.New("text is too long")
)

// decodeForm reads a posted form of either kind. Files in it are passed over.
//
// Source: RFC 8058, section 3.2: a mail provider posts either kind.
func decodeForm(contentType string, body []byte) (url.Values, error) {
	if len(body) > maxBody {
		return nil, errTooLarge
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil && contentType != "" {
		return nil, errUnreadable
	}
	switch kind {
	case "", "application/x-www-form-urlencoded":
		v, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, errUnreadable
		}
		return v, nil
	case "multipart/form-data":
		return decodeParts(multipart.NewReader(bytes.NewReader(body), params["boundary"]))
	default:
		return nil, errUnreadable
	}
}

func decodeParts(r *multipart.Reader) (url.Values, error) {
	v := url.Values{}
	for range maxParts {
		part, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return v, nil
		}
		if err != nil {
			return nil, errUnreadable
		}
		if part.FormName() == "" || part.FileName() != "" {
			continue
		}
		value, err := io.ReadAll(part) // bounded: all of it is in the body already
		if err != nil {
			return nil, errUnreadable
		}
		v.Add(part.FormName(), string(value))
	}
	return nil, errUnreadable
}

// readScore takes ASCII digits only: whatever a page shows, this is what it posts.
func readScore(s string, least, greatest int) (int, bool) {
	if len(s) == 0 || len(s) > 3 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > greatest {
		return 0, false
	}
	return n, true
}

// readComment tidies what was typed: line ends, outer blanks, and control characters, which no store and no mail
// wants. The text comes back with every error too, to be shown again.
func readComment(s string) (string, error) {
	if !utf8.ValidString(s) {
		return strings.ToValidUTF8(s, "\uFFFD"), errNotText
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\r':
			return '\n'
		case r != '\n' && r != '\t' && unicode.IsControl(r):
			return -1
		default:
			return r
		}
	}, s)
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > maxComment {
		return s, errTooLong
	}
	return s, nil
}
