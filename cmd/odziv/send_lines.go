package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

const (
	maxLine   = 1 << 20 // bytes of a physical line
	maxRecord = 200     // physical lines of one CSV record: notes with line breaks in quotes
)

// A record is one order of the file.
type record struct {
	line   int      // where it begins, counted from 1
	next   int      // line after it
	end    int64    // offset of the byte after it
	text   []byte   // as in the file, without the line end
	fields []string // CSV only; nil when it could not be read
	fault  string   // why it cannot be read; "" = it can
}

// A lineReader gives the physical lines of a file with their places.
type lineReader struct {
	r      *bufio.Reader
	offset int64 // of the next line
	number int   // of the next line
	back   []physical
}

type physical struct {
	text   []byte // with its line end; cut when long
	number int
	end    int64
	long   bool
}

// next gives io.EOF after the last line.
func (l *lineReader) next() (physical, error) {
	if len(l.back) > 0 {
		p := l.back[0]
		l.back = l.back[1:]
		return p, nil
	}
	p := physical{number: l.number}
	for {
		part, err := l.r.ReadSlice('\n')
		l.offset += int64(len(part))
		if len(p.text)+len(part) <= maxLine {
			p.text = append(p.text, part...)
		} else {
			p.long = true
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(p.text) == 0 && !p.long:
			return p, io.EOF
		case err != nil && !errors.Is(err, io.EOF):
			return p, err
		}
		l.number++
		p.end = l.offset
		return p, nil
	}
}

// A csvReader reads orders of a CSV file. A line that is broken costs itself only, also one with a quote that never
// closes.
type csvReader struct {
	lines  lineReader
	header []string
	comma  rune
	decode func([]byte) ([]byte, error)
}

// newCSVReader reads the header at the beginning of f.
func newCSVReader(f io.ReadSeeker, encoding string) (*csvReader, error) {
	r := bufio.NewReaderSize(f, 64<<10)
	c := &csvReader{lines: lineReader{r: r, number: 1}, decode: decoder(encoding)}
	head, err := r.Peek(64 << 10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := checkEncoding(head, encoding); err != nil {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte("\ufeff")) {
		n, _ := r.Discard(len("\ufeff")) // it was peeked
		c.lines.offset += int64(n)
	}
	c.comma = separator(head)
	rec, err := c.next()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty: its first line names the columns")
	}
	if err != nil {
		return nil, err
	}
	if rec.fault != "" {
		return nil, fmt.Errorf("line %d, which names the columns, cannot be read: %s", rec.line, rec.fault)
	}
	c.header = rec.fields
	return c, nil
}

// seek goes on at an offset and line that a record gave.
func (c *csvReader) seek(f io.ReadSeeker, offset int64, line int) error {
	return c.lines.seek(f, offset, line)
}

func (l *lineReader) seek(f io.ReadSeeker, offset int64, line int) error {
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	l.r.Reset(f)
	l.offset, l.number, l.back = offset, line, nil
	return nil
}

// next gives io.EOF after the last record.
func (c *csvReader) next() (record, error) {
	first, err := c.lines.next()
	for err == nil && len(bytes.TrimSpace(first.text)) == 0 && !first.long {
		first, err = c.lines.next()
	}
	if err != nil {
		return record{}, err
	}
	last, more, text := first, []physical(nil), bytes.Clone(first.text)
	for bytes.Count(text, []byte{'"'})%2 == 1 && len(more) < maxRecord && !first.long {
		p, err := c.lines.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return record{}, err
		}
		last, more, text = p, append(more, p), append(text, p.text...)
	}
	fields, fault := c.split(text)
	if fault != "" && len(more) > 0 { // the quote belongs to this line alone: the others are orders of their own
		c.lines.back = append(more, c.lines.back...)
		last, text = first, first.text
		fields, fault = c.split(text)
	}
	if first.long {
		fields, fault = nil, "longer than 1 MiB"
	}
	return record{
		line: first.number, next: last.number + 1, end: last.end,
		text: bytes.TrimRight(text, "\r\n"), fields: fields, fault: fault,
	}, nil
}

// split reads the columns of one record; fault says why it cannot.
func (c *csvReader) split(text []byte) (fields []string, fault string) {
	text, err := c.decode(text)
	if err != nil {
		return nil, err.Error()
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord = c.comma, -1
	fields, err = r.Read()
	if err != nil {
		return nil, `the quotes are broken: a column with a quote in it is written "like ""this"""`
	}
	if _, err := r.Read(); !errors.Is(err, io.EOF) {
		return nil, "the quotes are broken: it holds more than one record"
	}
	if c.header != nil && len(fields) != len(c.header) {
		return nil, fmt.Sprintf("it has %d columns, the header has %d: is a separator missing, or unquoted inside a value?", len(fields), len(c.header))
	}
	return fields, ""
}

// The encodings of --encoding.
const (
	encodingUTF8 = "utf-8"
	encoding1250 = "windows-1250"
)

func decoder(encoding string) func([]byte) ([]byte, error) {
	if encoding == encoding1250 {
		return charmap.Windows1250.NewDecoder().Bytes
	}
	return func(text []byte) ([]byte, error) {
		if !utf8.Valid(text) {
			return nil, errors.New("it is not UTF-8")
		}
		return text, nil
	}
}

// checkEncoding looks at the beginning of a file, so that names are not sent garbled.
func checkEncoding(head []byte, encoding string) error {
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) {
		return errors.New("the file is UTF-16: save it as «CSV UTF-8»")
	}
	if encoding == encoding1250 {
		return nil
	}
	for cut := 0; cut < utf8.UTFMax && cut <= len(head); cut++ { // the last character may go on after head
		if utf8.Valid(head[:len(head)-cut]) {
			return nil
		}
	}
	return errors.New("the file is not UTF-8: save it as «CSV UTF-8», or add --encoding windows-1250 if it comes from an older Excel of Central Europe")
}

// separator is the one of , ; and tab that the header has most of outside quotes.
func separator(head []byte) rune {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	best, most, quoted := ',', 0, false
	count := map[rune]int{}
	for _, c := range string(line) {
		if c == '"' {
			quoted = !quoted
		}
		if !quoted && strings.ContainsRune(",;\t", c) {
			count[c]++
			if count[c] > most {
				best, most = c, count[c]
			}
		}
	}
	return best
}

// An ndjsonReader reads one JSON object a line, also out of a file of refused lines.
type ndjsonReader struct{ lines lineReader }

func newNDJSONReader(f io.ReadSeeker) *ndjsonReader {
	return &ndjsonReader{lineReader{r: bufio.NewReaderSize(f, 64<<10), number: 1}}
}

func (n *ndjsonReader) seek(f io.ReadSeeker, offset int64, line int) error {
	return n.lines.seek(f, offset, line)
}

// next gives io.EOF after the last record.
func (n *ndjsonReader) next() (record, error) {
	p, err := n.lines.next()
	for err == nil && len(bytes.TrimSpace(p.text)) == 0 && !p.long {
		p, err = n.lines.next()
	}
	if err != nil {
		return record{}, err
	}
	text := bytes.TrimPrefix(bytes.TrimRight(p.text, "\r\n"), []byte("\ufeff"))
	rec := record{line: p.number, next: p.number + 1, end: p.end, text: text}
	switch {
	case p.long:
		rec.fault = "longer than 1 MiB"
	case !utf8.Valid(text):
		rec.fault = "it is not UTF-8"
	default:
		rec.text = unwrap(text)
	}
	return rec, nil
}

// unwrap gives the line that a line of a file of refused lines holds, so that such a file, mended, is sent like any
// other. Any other line stays as it is.
func unwrap(text []byte) []byte {
	var o map[string]json.RawMessage
	if json.Unmarshal(text, &o) != nil || len(o) != 3 || o["line"] == nil || o["reason"] == nil || o["record"] == nil {
		return text
	}
	var was string
	if json.Unmarshal(o["record"], &was) != nil {
		return o["record"] // mended as JSON, without the quotes around it
	}
	return []byte(was)
}
