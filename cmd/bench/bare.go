package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/odziv/odziv/survey"
)

// bareRows is how many sends one commit takes at most.
const bareRows = 512

// A bare store keeps one row for a send, in groups of one fsync, and nothing else: no contact, no ledger, no reading
// back. It is what a durable accept over HTTP costs at least.
type bare struct {
	nowhere
	queue chan bareJob
	write func(ctx context.Context, ids, keys, docs []string) error
}

type bareJob struct {
	send survey.Send
	done chan error
}

const bareTable = `CREATE TABLE bare (id TEXT PRIMARY KEY, key TEXT NOT NULL UNIQUE, due BIGINT NOT NULL, doc TEXT NOT NULL)`

// Accept implements the store of the API.
func (b *bare) Accept(ctx context.Context, sends []survey.Send, _ *survey.Idempotency) ([]survey.AcceptedSend, error) {
	done := make(chan error, len(sends))
	for i := range sends {
		b.queue <- bareJob{sends[i], done}
	}
	for range sends {
		if err := <-done; err != nil {
			return nil, err
		}
	}
	return b.nowhere.Accept(ctx, sends, nil)
}

// run commits until ctx ends.
func (b *bare) run(ctx context.Context) {
	for {
		var group []bareJob
		select {
		case j := <-b.queue:
			group = append(group, j)
		case <-ctx.Done():
			return
		}
		for more := true; more && len(group) < bareRows; {
			select {
			case j := <-b.queue:
				group = append(group, j)
			default:
				more = false
			}
		}
		ids, keys, docs := make([]string, len(group)), make([]string, len(group)), make([]string, len(group))
		for i := range group {
			s := &group[i].send
			doc, _ := json.Marshal([]any{s.Recipient, s.Transaction}) // strings and times only
			ids[i], keys[i], docs[i] = s.ID, s.Survey+"/"+s.Transaction.ID+"/"+s.ContactID, string(doc)
		}
		err := b.write(ctx, ids, keys, docs)
		for i := range group {
			group[i].done <- err
		}
	}
}

// serveBare is the API on a bare store.
func serveBare(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("bare", flag.ContinueOnError)
	database, dir := f.String("database", "", ""), f.String("dir", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	b := &bare{queue: make(chan bareJob, bareRows)}
	end, err := b.open(ctx, *database, *dir)
	if err != nil {
		return err
	}
	defer end()
	go b.run(ctx)
	return serveAPI(ctx, b)
}

func (b *bare) open(ctx context.Context, database, dir string) (end func(), err error) {
	const index = `CREATE INDEX bare_due ON bare (due) WHERE due > 0`
	due := time.Now().UnixMicro()
	if database != "" {
		conn, err := pgx.Connect(ctx, database)
		if err != nil {
			return nil, err
		}
		if _, err := conn.Exec(ctx, bareTable+";"+index); err != nil {
			return nil, err
		}
		b.write = func(ctx context.Context, ids, keys, docs []string) error {
			_, err := conn.Exec(ctx, `INSERT INTO bare SELECT i, k, $1, d FROM unnest($2::text[], $3::text[], $4::text[]) AS t(i, k, d)`, due, ids, keys, docs)
			return err
		}
		return func() { _ = conn.Close(context.WithoutCancel(ctx)) }, nil
	}
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(filepath.Join(dir, "bare.db"))+"?_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, bareTable+";"+index); err != nil {
		return nil, err
	}
	b.write = func(ctx context.Context, ids, keys, docs []string) error {
		var q strings.Builder
		q.WriteString("INSERT INTO bare VALUES ")
		args := make([]any, 0, 4*len(ids))
		for i := range ids {
			if i > 0 {
				q.WriteByte(',')
			}
			q.WriteString("(?,?,?,?)")
			args = append(args, ids[i], keys[i], due, docs[i])
		}
		if _, err := db.ExecContext(ctx, q.String(), args...); err != nil {
			return fmt.Errorf("insert: %w", err)
		}
		return nil
	}
	return func() { _ = db.Close() }, nil
}
