package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
	"github.com/odziv/odziv/web"
)

// maxLines is how many sends a batch may have.
const maxLines = 10_000

// An entry is one send of a batch.
type entry struct {
	at   int // line number from 1, or index from 0
	src  string
	send survey.Send
	errs survey.InvalidError // nil when it is good
}

// createBatch is POST /v1/sends/batch: what is good goes through, whatever is wrong beside it.
func (a *API) createBatch(c *fiber.Ctx) error {
	kind, err := mediaType(c, mediaJSON, mediaNDJSON)
	if err != nil {
		return err
	}
	if _, err := queryOf(c); err != nil {
		return err
	}
	select {
	case a.batches <- struct{}{}:
		defer func() { <-a.batches }()
	case <-c.UserContext().Done():
		p := web.NewProblem(web.CodeBusy, "other batches are being read; nothing was stored; send it again")
		p.RetryAfter = "5"
		return p
	}
	body := c.Request().Body()
	return a.once(c, body, func(ctx context.Context, idem *Idempotency) (int, []byte, error) {
		return a.acceptBatch(ctx, c, kind, string(body), idem)
	})
}

func (a *API) acceptBatch(ctx context.Context, c *fiber.Ctx, kind, src string, idem *Idempotency) (int, []byte, error) {
	split, word := splitArray, "index"
	if kind == mediaNDJSON {
		split, word = splitLines, "line"
	}
	entries, err := split(src)
	if err != nil {
		return 0, nil, err
	}
	if len(entries) == 0 {
		return 0, nil, web.NewProblem(web.CodeEmptyBatch, "the batch has no sends in it")
	}
	now, key := a.now(), web.Key(c)
	a.decodeAll(entries, key.Mode, key.ID, now)
	sends := make([]survey.Send, 0, len(entries))
	for i := range entries {
		e := &entries[i]
		if err := unplanned(e.errs); err != nil {
			return 0, nil, err
		}
		if e.errs == nil {
			e.send.ID = a.cfg.IDs.New(survey.SendPrefix, now)
			sends = append(sends, e.send)
		}
	}
	id := web.RequestID(c) // the store composes the answer, maybe after the request is over
	return a.accept(ctx, sends, idem, func(done []Accepted) (int, []byte) {
		return http.StatusAccepted, a.results(entries, word, done, id)
	})
}

// decodeAll reads the entries on all cores. A panic in one of them is the caller's.
func (a *API) decodeAll(entries []entry, mode survey.Mode, actor string, now time.Time) {
	workers := max(1, min(runtime.GOMAXPROCS(0), len(entries)/64))
	var (
		running sync.WaitGroup
		mu      sync.Mutex
		fault   any // guarded by mu
	)
	for w := range workers {
		part := entries[w*len(entries)/workers : (w+1)*len(entries)/workers]
		running.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					mu.Lock()
					defer mu.Unlock()
					fault = v
				}
			}()
			for i := range part {
				e := &part[i]
				if e.errs == nil {
					e.send, e.errs, _ = a.sends.decode(e.src, mode, actor, now)
					e.send.Priority = survey.Batch
				}
			}
		})
	}
	running.Wait()
	if fault != nil {
		panic(fault)
	}
}

// splitLines takes NDJSON apart; blank lines are passed over and counted.
//
// Source: https://github.com/ndjson/ndjson-spec
func splitLines(src string) ([]entry, error) {
	entries := make([]entry, 0, min(maxLines, strings.Count(src, "\n")+1))
	number := 0
	for line := range strings.SplitSeq(src, "\n") {
		number++
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if len(entries) == maxLines {
			return nil, tooLong()
		}
		entries = append(entries, newEntry(number, line))
	}
	return entries, nil
}

// splitArray takes a JSON array apart. What is wrong within one element is left to its own reading; what breaks
// the array is everybody's.
func splitArray(src string) ([]entry, error) {
	d := jsontext.NewDecoder(strings.NewReader(src), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() != '[' {
		if _, err := d.ReadToken(); err != nil {
			return nil, unreadable(err, src)
		}
		return nil, survey.InvalidError{{
			Code:   web.CodeWrongType,
			Detail: "the body has to be a JSON array of sends; for one send on each line say «Content-Type: application/x-ndjson»",
		}}
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, unreadable(err, src)
	}
	var entries []entry
	for d.PeekKind() != ']' {
		raw, err := d.ReadValue()
		if err != nil {
			return nil, unreadable(err, src)
		}
		if len(entries) == maxLines {
			return nil, tooLong()
		}
		end := int(d.InputOffset())
		entries = append(entries, newEntry(len(entries), src[end-len(raw):end]))
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, unreadable(err, src)
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, survey.InvalidError{{Code: web.CodeInvalidJSON, Detail: "something follows after the end of the array"}}
	}
	return entries, nil
}

func unreadable(err error, src string) error { return survey.InvalidError{*syntaxFault(err, src)} }

func newEntry(at int, src string) entry {
	e := entry{at: at, src: src}
	if len(src) > web.MaxBody {
		e.errs = survey.InvalidError{{
			Code: web.CodeTooLarge, Detail: fmt.Sprintf("this send has %d bytes; at most %d are allowed", len(src), web.MaxBody),
		}}
	}
	return e
}

func tooLong() error {
	return web.NewProblem(web.CodeBatchTooLong, fmt.Sprintf("the batch has more than %d sends; nothing was stored; split it", maxLines))
}

// results writes what became of each entry, in their order; done are the accepted ones, in theirs.
func (a *API) results(entries []entry, word string, done []Accepted, requestID string) []byte {
	duplicates := 0
	for i := range done {
		if done[i].Duplicate {
			duplicates++
		}
	}
	to := make([]byte, 0, 128+160*len(entries))
	to = append(to, `{"accepted":`...)
	to = strconv.AppendInt(to, int64(len(done)-duplicates), 10)
	to = append(to, `,"duplicates":`...)
	to = strconv.AppendInt(to, int64(duplicates), 10)
	to = append(to, `,"refused":`...)
	to = strconv.AppendInt(to, int64(len(entries)-len(done)), 10)
	to = append(to, `,"items":[`...)
	next := 0
	for i := range entries {
		e := &entries[i]
		if i > 0 {
			to = append(to, ',')
		}
		to = append(to, `{"`...)
		to = append(to, word...)
		to = append(to, `":`...)
		to = strconv.AppendInt(to, int64(e.at), 10)
		if e.errs == nil {
			to = appendGood(to, done[next])
			next++
		} else {
			to = a.appendBad(to, e.errs, requestID)
		}
		to = append(to, '}')
	}
	return append(to, `]}`...)
}

// appendGood writes the members of an accepted entry. Its «status» is that of HTTP.
func appendGood(to []byte, done Accepted) []byte {
	to = append(to, `,"status":202,"id":"`...)
	to = append(to, done.ID...)
	to = append(to, `","duplicate":`...)
	to = strconv.AppendBool(to, done.Duplicate)
	return to
}

// appendBad writes the members of a refused entry. What makes a whole call unreadable makes only a line wrong.
func (a *API) appendBad(to []byte, errs survey.InvalidError, requestID string) []byte {
	p := web.ProblemOf(errs).At(a.cfg.PublicURL, requestID)
	p.Status = http.StatusUnprocessableEntity
	to = append(to, `,"status":422,"error":`...)
	return append(to, mustJSON(p)...)
}
