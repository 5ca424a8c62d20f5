package smtp

import (
	"bytes"
	"encoding/base64"
	"strings"
)

const (
	maxLine     = 76 // characters of an encoded line, without its end
	base64Bytes = maxLine / 4 * 3
	upperHex    = "0123456789ABCDEF"
)

// literal are the bytes that stand for themselves in quoted-printable; blanks do where no line ends after them.
var literal = func() (is [256]bool) { //nolint:gochecknoglobals // a table
	for b := ' '; b <= '~'; b++ {
		is[b] = b != '='
	}
	is['\t'] = true
	return is
}()

// appendQP appends s in quoted-printable: what is not printable ASCII becomes =XX, a line with more than 76 characters is
// broken, a blank before the end of a line is encoded. Line ends, LF or CRLF, become CRLF.
//
// Source: RFC 2045, section 6.7.
func appendQP(dst []byte, s string) []byte {
	const last = maxLine - 1 // column of a soft line break
	column := 0
	for s != "" {
		run, most := 0, min(len(s), last-column)
		for run < most && literal[s[run]] {
			run++
		}
		if run > 0 && (s[run-1] == ' ' || s[run-1] == '\t') && endsLine(s[run:]) {
			run--
		}
		dst, column = append(dst, s[:run]...), column+run
		if s = s[run:]; s == "" {
			break
		}
		b := s[0]
		switch {
		case b == '\n' || b == '\r':
			if b == '\r' && len(s) > 1 && s[1] == '\n' {
				s = s[1:]
			}
			dst, column = append(dst, '\r', '\n'), 0
		case literal[b] && ((b != ' ' && b != '\t') || !endsLine(s[1:])): // the line is full
			dst, column = append(dst, '=', '\r', '\n'), 0
			continue
		default:
			if column > last-3 {
				dst, column = append(dst, '=', '\r', '\n'), 0
			}
			dst, column = append(dst, '=', upperHex[b>>4], upperHex[b&0xf]), column+3
		}
		s = s[1:]
	}
	return dst
}

func endsLine(rest string) bool { return rest == "" || rest[0] == '\n' || rest[0] == '\r' }

// appendBase64 appends s in base64, in lines of 76 characters that end in CRLF, also the last.
//
// Source: RFC 2045, section 6.8.
func appendBase64(dst []byte, s string) []byte {
	var line [base64Bytes]byte
	for s != "" {
		n := copy(line[:], s)
		dst = base64.StdEncoding.AppendEncode(dst, line[:n])
		dst = append(dst, '\r', '\n')
		s = s[n:]
	}
	return dst
}

// appendField appends a field of the head, folded at blanks where it is longer than a line should be.
//
// Source: RFC 5322, sections 2.1.1 and 2.2.3.
func appendField(dst []byte, name, value string) []byte {
	dst = append(append(dst, name...), ':')
	column := len(name) + 1
	for more := true; more; {
		var word string
		word, value, more = strings.Cut(value, " ")
		if column+1+len(word) > maxLine && word != "" {
			dst, column = append(dst, '\r', '\n'), 0
		}
		dst = append(append(dst, ' '), word...)
		column += 1 + len(word)
	}
	return append(dst, '\r', '\n')
}

// finishData makes of a message the bytes that follow DATA: lines that begin with a dot get a second one, and a line
// with nothing but a dot ends it. It may use the room behind data.
//
// Source: RFC 5321, section 4.5.2.
func finishData(data []byte) []byte {
	if !bytes.HasSuffix(data, []byte("\r\n")) {
		data = append(data, '\r', '\n')
	}
	n := bytes.Count(data, []byte("\n."))
	if data[0] == '.' {
		n++
	}
	end := len(data)
	data = append(data, make([]byte, n)...)
	for ; n > 0; n-- { // from the back: what is moved is not yet overwritten
		dot := bytes.LastIndex(data[:end], []byte("\n.")) + 1 // 0 = the first byte
		copy(data[dot+n:], data[dot:end])
		data[dot+n-1], end = '.', dot
	}
	return append(data, '.', '\r', '\n')
}
