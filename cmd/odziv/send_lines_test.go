package main

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// readAll gives «line: columns» or «line: !fault» of every record.
func readAll(t *testing.T, r recordReader) []string {
	t.Helper()
	var got []string
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Join(rec.fields, "|")
		if rec.fault != "" {
			text = "!" + rec.fault
		}
		got = append(got, strings.Join([]string{strconv.Itoa(rec.line), text}, ": "))
	}
}

func TestCSVReader(t *testing.T) {
	t.Parallel()
	const brokenQuotes = `!the quotes are broken: a column with a quote in it is written "like ""this"""`
	tests := []struct {
		name, text, encoding string
		want                 []string
	}{
		{"plain", "a,b\n1,2\n3,4\n", "", []string{"2: 1|2", "3: 3|4"}},
		{"byte order mark, semicolons, CRLF, no last line end", "\ufeffa;b\r\n1;2,5\r\n3;4", "", []string{"2: 1|2,5", "3: 3|4"}},
		{"tabs", "a\tb\n1\t2\n", "", []string{"2: 1|2"}},
		{"separator in a quoted header", "\"a,x,y\";b\n1;2\n", "", []string{"2: 1|2"}},
		{"quotes and line breaks", "a,b\n\"x \"\"y\"\"\",\"one\ntwo\n\nthree\"\n1,2\n", "", []string{"2: x \"y\"|one\ntwo\n\nthree", "6: 1|2"}},
		{"empty lines", "a,b\n\n  \n1,2\n\n", "", []string{"4: 1|2"}},
		{"too few and too many columns", "a,b\n1\n1,2,3\n1,2\n", "", []string{
			"2: !it has 1 columns, the header has 2: is a separator missing, or unquoted inside a value?",
			"3: !it has 3 columns, the header has 2: is a separator missing, or unquoted inside a value?",
			"4: 1|2",
		}},
		{"a quote that never closes costs its line only", "a,b\n1,\"x\n3,4\n5,6\n", "", []string{"2: " + brokenQuotes, "3: 3|4", "4: 5|6"}},
		{"two of them", "a,b\n1,\"x\n3,4\n5,\"y\n6,7\n", "", []string{"2: " + brokenQuotes, "3: 3|4", "4: " + brokenQuotes, "5: 6|7"}},
		{"a quote inside a value", "a,b\n19\" screen,2\n3,4\n", "", []string{"2: " + brokenQuotes, "3: 3|4"}},
		{"one line that is not UTF-8", "a,b\n" + strings.Repeat("x", 64<<10) + ",1\n\x9a,2\n3,4\n", "", []string{
			"2: " + strings.Repeat("x", 64<<10) + "|1", "3: !it is not UTF-8", "4: 3|4",
		}},
		{"windows-1250", "a,b\nMilo\x9a,\x8aibenik\n", "windows-1250", []string{"2: Miloš|Šibenik"}},
		{"a line without end", "a,b\n" + strings.Repeat("x", maxLine+10) + "\n1,2\n", "", []string{"2: !longer than 1 MiB", "3: 1|2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, err := newCSVReader(strings.NewReader(tt.text), tt.encoding)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, readAll(t, r)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

func TestCSVReaderRefusesFiles(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"empty", "", "the file is empty: its first line names the columns"},
		{"only line ends", "\n\r\n", "the file is empty: its first line names the columns"},
		{"windows-1250", "a,b\nMilo\x9a,2\n", "the file is not UTF-8: save it as «CSV UTF-8», or add --encoding windows-1250 if it comes from an older Excel of Central Europe"},
		{"UTF-16", "\xff\xfea\x00,\x00", "the file is UTF-16: save it as «CSV UTF-8»"},
		{"broken header", "\"a,b\n1,2\n", `line 1, which names the columns, cannot be read: the quotes are broken: a column with a quote in it is written "like ""this"""`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := newCSVReader(strings.NewReader(tt.text), encodingUTF8)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// A character that the look at the beginning cuts in two is no fault.
func TestCheckEncodingAtTheEdge(t *testing.T) {
	t.Parallel()
	for pad := range 4 {
		text := "a,b\n" + strings.Repeat("x", pad) + strings.Repeat("š", 64<<10) + ",1\n"
		if _, err := newCSVReader(strings.NewReader(text), encodingUTF8); err != nil {
			t.Errorf("%d characters before: %v", pad, err)
		}
	}
}

func TestNDJSONReader(t *testing.T) {
	t.Parallel()
	text := "\ufeff{\"a\":1}\r\n\n{\"b\":\n" + strings.Repeat(" ", maxLine) + "{}\n\xff\n" +
		`{"line":3,"reason":"x","record":"{\"c\":1}"}` + "\n" + `{"line":3,"reason":"x","record":{"d":1}}` + "\n" + `{"record":"x","line":3}` + "\n{\"half"
	var got []string
	r := newNDJSONReader(strings.NewReader(text))
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if rec.fault != "" {
			rec.text = []byte("!" + rec.fault)
		}
		got = append(got, string(rec.text))
	}
	want := []string{`{"a":1}`, `{"b":`, "!longer than 1 MiB", "!it is not UTF-8", `{"c":1}`, `{"d":1}`, `{"record":"x","line":3}`, `{"half`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// FuzzCSVReader also goes on from the place of each record, as a resumed run does, and has to see the same rest.
func FuzzCSVReader(f *testing.F) {
	f.Add("a,b\n1,2\n\"3\n\",4\n")
	f.Add("\ufeffa;b\r\n1;\"2\r\n3;4\r\n5;\"6\"\r\n")
	f.Add("a\n\"x\n\n\ny\n")
	f.Fuzz(func(t *testing.T, text string) {
		src := strings.NewReader(text)
		r, err := newCSVReader(src, encodingUTF8)
		if err != nil {
			return
		}
		var all []record
		last := r.lines.offset
		for {
			rec, err := r.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if rec.end <= last-int64(len(text)) || rec.next <= rec.line || (rec.fault == "") != (len(rec.fields) == len(r.header)) {
				t.Fatalf("record %+v of a header of %d", rec, len(r.header))
			}
			all, last = append(all, rec), rec.end
		}
		for i, from := range all {
			if err := r.seek(src, from.end, from.next); err != nil {
				t.Fatal(err)
			}
			for _, want := range all[i+1:] {
				got, err := r.next()
				if diff := cmp.Diff(want, got, cmp.AllowUnexported(record{})); err != nil || diff != "" {
					t.Fatalf("after line %d: %v\n%s", from.line, err, diff)
				}
			}
			if i > 8 {
				break
			}
		}
	})
}
