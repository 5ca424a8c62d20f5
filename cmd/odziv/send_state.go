package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A sendState is how far a run has come: everything before Offset has its result. It is written after each batch,
// beside the file, so that a run that was stopped goes on where it was.
type sendState struct {
	File          string `json:"file_sha256"`
	URL           string `json:"url"`
	Offset        int64  `json:"offset"` // bytes
	Line          int    `json:"line"`   // at Offset
	Accepted      int    `json:"accepted"`
	Duplicate     int    `json:"duplicate"`
	Refused       int    `json:"refused"`
	RejectedBytes int64  `json:"rejected_bytes"` // length of the file of refused lines
}

func (s sendState) lines() int { return s.Accepted + s.Duplicate + s.Refused }

func statePath(file string) string { return file + ".odziv-state" }

// rejectedPath is orders.rejected.csv for orders.csv.
func rejectedPath(file string) string {
	ext := filepath.Ext(file)
	return strings.TrimSuffix(file, ext) + ".rejected" + ext
}

// readState gives false when no run of the file was stopped.
func readState(file string) (sendState, bool, error) {
	var s sendState
	text, err := os.ReadFile(statePath(file))
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	if err := json.Unmarshal(text, &s); err != nil || s.File == "" || s.Offset < 0 || s.RejectedBytes < 0 {
		return s, false, fmt.Errorf("%s cannot be read: begin again with --restart; the order numbers keep every send single", statePath(file))
	}
	return s, true, nil
}

// write replaces the state whole: after a crash there is the old one or the new one.
func (s sendState) write(file string) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(statePath(file))+".*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), statePath(file))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // it is of no use
	}
	return err
}

// hashFile is the SHA-256 of what f holds, in hex.
func hashFile(f *os.File) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	_, err := f.Seek(0, io.SeekStart)
	return hex.EncodeToString(h.Sum(nil)), err
}

// A rejectedFile takes the refused lines: for CSV the columns as they were, the number of the line and the reason;
// for NDJSON an object a line. It is made by the first of them.
type rejectedFile struct {
	path   string
	header []string // nil for NDJSON
	comma  rune
	size   int64
}

// resume cuts off what a stopped run wrote after its last state: those lines come again. A file that is shorter, or
// gone, was changed by its owner, and goes on as it is.
func (r *rejectedFile) resume(size int64) error {
	info, err := os.Stat(r.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	r.size = min(size, info.Size())
	return os.Truncate(r.path, r.size)
}

// add appends the refused ones of a batch and makes them durable.
func (r *rejectedFile) add(refused []refusedLine) error {
	if len(refused) == 0 {
		return nil
	}
	var text bytes.Buffer
	if r.size == 0 && r.header != nil {
		if err := r.row(&text, append(append([]string(nil), r.header...), "line", "reason")); err != nil {
			return err
		}
	}
	for _, l := range refused {
		if err := r.line(&text, l); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(r.path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(text.Bytes(), r.size)
	r.size += int64(text.Len())
	return errors.Join(err, f.Sync(), f.Close())
}

func (r *rejectedFile) line(w io.Writer, l refusedLine) error {
	if r.header == nil {
		return json.NewEncoder(w).Encode(struct {
			Line   int    `json:"line"`
			Reason string `json:"reason"`
			Record string `json:"record"`
		}{l.rec.line, l.reason, string(l.rec.text)})
	}
	fields := make([]string, len(r.header)+2)
	if copy(fields, l.rec.fields) == 0 {
		fields[0] = string(l.rec.text) // it has no columns
	}
	fields[len(r.header)], fields[len(r.header)+1] = strconv.Itoa(l.rec.line), l.reason
	return r.row(w, fields)
}

func (r *rejectedFile) row(w io.Writer, fields []string) error {
	c := csv.NewWriter(w)
	c.Comma = r.comma
	err := c.Write(fields)
	c.Flush()
	return errors.Join(err, c.Error())
}

type refusedLine struct {
	rec    record
	reason string
}
