package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// sendCmd reads a shop's export and asks a gateway for a send for each order.
type sendCmd struct {
	File string `arg:"" help:"CSV as a shop exports it, or NDJSON with a body of POST /v1/sends a line."`

	URL    string `name:"url" help:"Address of the gateway (ODZIV_URL). Default: http://127.0.0.1:8080." placeholder:"URL"`
	Key    Secret `help:"API key with the scope sends:write; better given as ODZIV_KEY." placeholder:"KEY"`
	Survey string `help:"Survey to invite to, such as nps-after-purchase." placeholder:"ID"`

	Locale     string            `help:"Language of all orders, such as hr. Default: the language or country of each." placeholder:"LOCALE"`
	Country    string            `help:"Country of orders that name none, for their phone numbers, such as HR." placeholder:"CODE"`
	Timezone   string            `help:"Time zone of dates that name none. Default: UTC." default:"UTC" placeholder:"ZONE"`
	Map        map[string]string `help:"What a column is that was not recognised, such as --map \"E-Mail Adresse=email\"; can be repeated." mapsep:"none" placeholder:"COLUMN=FIELD"`
	Channels   []string          `help:"Channels in the order in which they are tried. Default: viber,sms,email." placeholder:"LIST"`
	Touchpoint string            `help:"Where in the journey it is asked, such as delivery." placeholder:"NAME"`
	Encoding   string            `help:"utf-8 or windows-1250." default:"utf-8" enum:"utf-8,windows-1250"`

	Batch   int  `help:"Lines in one call, 1 to 10000." default:"500"`
	Resume  bool `help:"Go on where the last run of this file was stopped."`
	Restart bool `help:"Begin again, although a run of this file was stopped; orders already sent count as duplicates."`
}

// How a run of send ends, besides 0 for all accepted.
const (
	exitStopped  = 1
	exitRejected = 3
)

// An exitError ends the program with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// ExitCode is for the shell.
func (e *exitError) ExitCode() int { return e.code }

// maxBatchBytes keeps a batch well under the gateway's limit of 16 MiB.
const maxBatchBytes = 4 << 20

// A recordReader gives the records of a file one after another, io.EOF after the last.
type recordReader interface {
	next() (record, error)
	seek(f io.ReadSeeker, offset int64, line int) error
}

// A sendRun is one run over one file.
type sendRun struct {
	file     string
	size     int
	records  recordReader
	mapper   *mapper
	client   *batchClient
	state    sendState
	rejected *rejectedFile
	progress *progress
	lost     bool // the run that is resumed may have handed the next batch over
}

// Run sends the file. Its error has the exit code: 3 when lines were refused, 1 when the run was stopped.
func (c *sendCmd) Run(ctx context.Context, std *streams) error {
	if err := c.check(std.Getenv); err != nil {
		return err
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	run, err := c.open(f, std)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	started := time.Now()
	err = run.all(ctx)
	run.progress.show(run.state)
	run.progress.end()
	return run.finish(std.Out, err, time.Since(started))
}

// check completes the flags from the environment and refuses what cannot work.
func (c *sendCmd) check(getenv func(string) string) (err error) {
	c.URL, err = parseBaseURL(cmp.Or(c.URL, getenv("ODZIV_URL"), "http://127.0.0.1:8080"))
	if err != nil {
		return fmt.Errorf("--url %w", err)
	}
	c.Key = cmp.Or(c.Key, Secret(getenv("ODZIV_KEY")))
	switch {
	case c.Key == "":
		return errors.New("an API key is needed: set ODZIV_KEY, or --key; «odziv keys create» makes one")
	case c.Survey == "" && !c.ndjson():
		return errors.New("a survey is needed: --survey nps-after-purchase")
	case c.Batch < 1 || c.Batch > 10_000:
		return errors.New("--batch is a number from 1 to 10000")
	case c.Resume && c.Restart:
		return errors.New("--resume and --restart exclude each other")
	}
	if c.Country != "" && len(c.Country) != 2 {
		return fmt.Errorf("--country %s is not one of the two-letter codes of ISO 3166, such as HR", c.Country)
	}
	for i, name := range c.Channels {
		c.Channels[i] = strings.TrimSpace(name)
		if err := checkChannel(c.Channels[i]); err != nil {
			return fmt.Errorf("--channels: %w", err)
		}
	}
	return nil
}

func (c *sendCmd) ndjson() bool {
	return slices.Contains([]string{".ndjson", ".jsonl"}, strings.ToLower(filepath.Ext(c.File)))
}

func (c *sendCmd) open(f *os.File, std *streams) (*sendRun, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a file: a run can only be resumed over one")
	}
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		return nil, fmt.Errorf("--timezone: %w", checkZone(c.Timezone))
	}
	run := &sendRun{
		file: c.File, size: c.Batch,
		mapper: &mapper{
			survey: c.Survey, locale: c.Locale, country: strings.ToUpper(c.Country), touchpoint: c.Touchpoint,
			channels: c.Channels, zone: zone,
		},
		client:   &batchClient{http: newHTTPClient(), url: c.URL, key: c.Key, now: time.Now},
		rejected: &rejectedFile{path: rejectedPath(c.File)},
	}
	if err := run.read(f, c); err != nil {
		return nil, err
	}
	if err := run.begin(f, c); err != nil {
		return nil, err
	}
	run.progress = newProgress(std.Err, time.Now, info.Size(), run.state)
	run.client.note = run.progress.note
	if c.Resume && run.state.Offset > 0 {
		run.progress.note(fmt.Sprintf("going on at line %d", run.state.Line))
	}
	return run, nil
}

// newHTTPClient follows no redirect: it would turn the POST into a GET.
func newHTTPClient() *http.Client {
	return &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// read opens the records and recognises the columns.
func (r *sendRun) read(f *os.File, c *sendCmd) error {
	var err error
	if r.state.File, err = hashFile(f); err != nil {
		return err
	}
	r.state.URL = c.URL
	if c.ndjson() {
		r.records = newNDJSONReader(f)
		return nil
	}
	table, err := newCSVReader(f, c.Encoding)
	if err != nil {
		return err
	}
	r.records, r.rejected.header, r.rejected.comma = table, table.header, table.comma
	r.mapper.cols, err = mapColumns(table.header, c.Map)
	return err
}

// begin goes to where the last run was stopped, if it was and that is wanted.
func (r *sendRun) begin(f *os.File, c *sendCmd) error {
	old, stopped, err := readState(c.File)
	if c.Restart {
		stopped, err = false, nil
	}
	switch {
	case err != nil:
		return err
	case !stopped && c.Resume:
		return errors.New("there is nothing to resume: no run of this file was stopped, or it has come to its end since; without --resume it is sent whole, and orders already sent count as duplicates")
	case !stopped:
		for _, path := range []string{statePath(c.File), r.rejected.path} { // of runs before
			if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
		return nil
	case !c.Resume:
		return fmt.Errorf("a run was stopped at line %d: go on with --resume, or begin again with --restart", old.Line)
	case old.File != r.state.File:
		return errors.New("the file has changed since its run was stopped: begin again with --restart; the order numbers keep every send single")
	case old.URL != r.state.URL:
		return fmt.Errorf("the run that was stopped went to %s: name that by --url, or begin again with --restart", old.URL)
	}
	r.state, r.lost = old, true
	if err := r.rejected.resume(old.RejectedBytes); err != nil {
		return err
	}
	return r.records.seek(f, old.Offset, old.Line)
}

// all sends batch after batch to the end of the file.
func (r *sendRun) all(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := r.batch()
		if err != nil {
			return err
		}
		if b.lines == 0 {
			return nil
		}
		if err := r.hand(ctx, b); err != nil {
			return err
		}
		r.progress.show(r.state)
	}
}

// A batch is some lines of the file that have their results together.
type batch struct {
	lines   int
	sent    []record // whose requests are in body
	body    bytes.Buffer
	refused []refusedLine
	end     int64 // offset after it
	next    int   // line after it
}

func (r *sendRun) batch() (*batch, error) {
	b := &batch{}
	for b.lines < r.size && b.body.Len() < maxBatchBytes {
		rec, err := r.records.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		b.lines, b.end, b.next = b.lines+1, rec.end, rec.next
		request, err := r.mapper.request(rec)
		if err != nil {
			b.refused = append(b.refused, refusedLine{rec, err.Error()})
			continue
		}
		b.sent = append(b.sent, rec)
		b.body.Write(request)
		b.body.WriteByte('\n')
	}
	return b, nil
}

// hand sends a batch and records its results: first the refused lines, then how far the run has come.
func (r *sendRun) hand(ctx context.Context, b *batch) error {
	state := r.state
	if len(b.sent) > 0 {
		results, err := r.client.post(ctx, r.idempotencyKey(b), b.body.Bytes(), len(b.sent), r.lost)
		if err != nil {
			return err
		}
		r.lost = false
		for i, res := range results {
			switch {
			case res.Refusal != "":
				b.refused = append(b.refused, refusedLine{b.sent[i], res.Refusal})
			case res.Duplicate:
				state.Duplicate++
			default:
				state.Accepted++
			}
		}
	}
	slices.SortStableFunc(b.refused, func(x, y refusedLine) int { return cmp.Compare(x.rec.line, y.rec.line) })
	if err := r.rejected.add(b.refused); err != nil {
		return fmt.Errorf("write the refused lines: %w", err)
	}
	state.Refused += len(b.refused)
	state.Offset, state.Line, state.RejectedBytes = b.end, b.next, r.rejected.size
	if err := state.write(r.file); err != nil {
		return fmt.Errorf("write how far the run has come: %w", err)
	}
	r.state = state
	return nil
}

// idempotencyKey is the same whenever the same lines of the same file make the same requests.
func (r *sendRun) idempotencyKey(b *batch) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s %d %d\n", r.state.File, r.state.Offset, b.end)
	_, _ = h.Write(b.body.Bytes())
	return "send-" + hex.EncodeToString(h.Sum(nil)[:16])
}

// finish tells how it ended.
func (r *sendRun) finish(out io.Writer, err error, took time.Duration) error {
	s := r.state
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = errors.New("stopped")
		}
		goOn := "the same command and --resume"
		if s.Offset == 0 { // nothing is kept yet to go on from
			goOn = "the same command"
		}
		return &exitError{exitStopped, fmt.Errorf("%s: %w before line %d (%d accepted, %d duplicate, %d refused so far); go on with %s",
			r.file, err, max(s.Line, 1), s.Accepted, s.Duplicate, s.Refused, goOn)}
	}
	if err := os.Remove(statePath(r.file)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_, _ = fmt.Fprintf(out, "%d orders in %s: %d accepted, %d duplicate, %d refused\n",
		s.lines(), took.Round(10*time.Millisecond), s.Accepted, s.Duplicate, s.Refused)
	if s.Refused == 0 {
		return nil
	}
	return &exitError{exitRejected, fmt.Errorf("%d lines were refused: %s says why; mend them there and send that file", s.Refused, r.rejected.path)}
}
