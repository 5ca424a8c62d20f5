package store

import (
	"bytes"
	"io"
	"io/fs"
)

// marked shows SQLite what is a comment to PostgreSQL: /* SQLite: WITHOUT ROWID */ is read as WITHOUT ROWID.
type marked struct{ fs.FS }

// Open is fs.FS's.
func (m marked) Open(name string) (fs.File, error) {
	f, err := m.FS.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil || info.IsDir() {
		return f, err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	text = bytes.ReplaceAll(text, []byte("/* SQLite: WITHOUT ROWID */"), []byte("WITHOUT ROWID"))
	return &markedFile{f, bytes.NewReader(text)}, nil
}

type markedFile struct {
	fs.File
	text *bytes.Reader
}

// Read is fs.File's.
func (f *markedFile) Read(b []byte) (int, error) { return f.text.Read(b) }
