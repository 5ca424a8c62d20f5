package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/odziv/odziv/store"
	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// A request that nobody has read yet is read before it is forgotten: others are in it too, and a STOP of whoever was erased
// meanwhile holds, under the hash.
func TestEraseContactUnread(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			s := storetest.OpenConfig(t, cfg)
			ctx := t.Context()
			ana := accept(t, s, to(1, survey.Recipient{Phone: anaPhone, Name: "Ana"}))[0].Send
			ivo := accept(t, s, to(2, survey.Recipient{Phone: "+385917654321", Name: "Ivo"}))[0].Send
			const body = `[{"from":"+385911234567","text":"STOP"},{"from":"+385917654321","text":"STOP"}]`
			_, err := s.PutInbound(ctx, survey.Inbound{ID: "inb_1", Sender: "sms", Mode: survey.Live, Key: "1", URL: "https://x", Body: []byte(body), At: t0})
			must(t, err)
			done, err := s.EraseContact(ctx, survey.Live, ana.ContactID, "usr_1", t0)
			must(t, err)
			_, err = s.EraseContact(ctx, survey.Live, ivo.ContactID, "usr_1", t0)
			must(t, err)
			raw, err := s.Inbound(ctx, []string{"inb_1"})
			must(t, err)
			if len(raw) != 1 || string(raw[0].Body) != body || done.Inbound != 1 || done.Pending {
				t.Fatalf("to be read: %+v; erased %+v", raw, done)
			}
			must(t, s.Suppress(ctx, survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: anaPhone, Reason: "stop_keyword", Source: "sms", At: t0}))
			must(t, s.Suppress(ctx, survey.Suppression{Mode: survey.Live, Channel: survey.SMS, Address: "+385917654321", Reason: "stop_keyword", Source: "sms", At: t0}))
			must(t, s.DoneInbound(ctx, []string{"inb_1"}, "ok"))
			if left := scan(t, cfg, name, "385911234567", "Ana", "385917654321", "Ivo"); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
			for _, phone := range []string{anaPhone, "+385917654321"} {
				if got, err := s.SuppressionsUnder(ctx, survey.Live, []string{phone}); err != nil || len(got) != 1 || got[0].Reason != "stop_keyword" {
					t.Errorf("%s is suppressed by %+v, %v", phone, got, err)
				}
			}
		})
	}
}

// A request that another gateway is done with at this moment is forgotten too.
func TestEraseContactWhileRead(t *testing.T) {
	t.Parallel()
	url := storetest.PostgresURL(t)
	cfg := store.Config{URL: url}
	s := storetest.OpenConfig(t, cfg)
	ctx := t.Context()
	ana := accept(t, s, to(1, survey.Recipient{Phone: anaPhone}))[0].Send
	_, err := s.PutInbound(ctx, survey.Inbound{ID: "inb_1", Sender: "sms", Mode: survey.Live, Key: "1", Body: []byte("From=" + anaPhone), At: t0})
	must(t, err)
	open := func() *pgx.Conn {
		conn, err := pgx.Connect(ctx, url)
		must(t, err)
		t.Cleanup(func() { must(t, conn.Close(context.WithoutCancel(ctx))) })
		return conn
	}
	reading, watching := open(), open()
	tx, err := reading.Begin(ctx) // DoneInbound of the other gateway, before the end of its commit
	must(t, err)
	_, err = tx.Exec(ctx, `UPDATE inbox SET result = 'ok', done_at = 1 WHERE id = 'inb_1'`)
	must(t, err)
	over := make(chan error, 1)
	go func() {
		_, err := s.EraseContact(ctx, survey.Live, ana.ContactID, "usr_1", t0)
		over <- err
	}()
	for waits := false; !waits; {
		err := watching.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE $1 = ANY (pg_blocking_pids(pid)))`, reading.PgConn().PID()).Scan(&waits)
		must(t, err)
	}
	must(t, tx.Commit(ctx))
	must(t, <-over)
	if left := scan(t, cfg, storetest.Postgres, "385911234567"); len(left) > 0 {
		t.Errorf("still there: %v", left)
	}
}

// Of a large inbox an erasure looks through the first part; the rest follows, after another start too.
func TestEraseContactLargeInbox(t *testing.T) {
	t.Parallel()
	for _, name := range storetest.Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := storetest.Config(t, name)
			s, err := store.Open(t.Context(), cfg)
			must(t, err)
			ctx := t.Context()
			ana := accept(t, s, to(1, survey.Recipient{Phone: anaPhone}))[0].Send
			fill(t, cfg, name, 11_000)
			for _, id := range []string{"inb_0", "inb_9"} { // before and behind
				_, err := s.PutInbound(ctx, survey.Inbound{ID: id, Sender: "sms", Mode: survey.Live, Key: id, Body: []byte("From=" + anaPhone), At: t0})
				must(t, err)
				must(t, s.DoneInbound(ctx, []string{id}, "ok"))
			}
			done, err := s.EraseContact(ctx, survey.Live, ana.ContactID, "usr_1", t0)
			must(t, err)
			if !done.Pending || done.Inbound != 1 {
				t.Errorf("erased %+v", done)
			}
			must(t, s.Close())
			s = storetest.OpenConfig(t, cfg)
			s.AwaitSearches()
			if left := scan(t, cfg, name, "385911234567"); len(left) > 0 {
				t.Errorf("still there: %v", left)
			}
			if other := scan(t, cfg, name, "385917654321"); len(other) != 11_000 {
				t.Errorf("of others there are %d", len(other))
			}
			d, err := s.ExportContact(ctx, survey.Live, ana.ContactID)
			if err != nil || len(d.Inbound) != 0 {
				t.Errorf("exported %+v, %v", d.Inbound, err)
			}
		})
	}
}

// fill puts n requests of somebody else into the inbox.
func fill(t *testing.T, cfg store.Config, name string, n int) {
	t.Helper()
	driver, source := "sqlite", "file:"+cfg.Dir+"/odziv.db?_pragma=busy_timeout(10000)"
	if name == storetest.Postgres {
		driver, source = "pgx", cfg.URL
	}
	db, err := sql.Open(driver, source)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	_, err = db.ExecContext(t.Context(), `
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
INSERT INTO inbox (id, mode, sender, endpoint, url, same_key, header, body, at, due_at, tries, result, done_at)
SELECT 'inb_1' || CAST(100000 + i AS TEXT), 'live', 'sms', 'status', '', '', '', $2, 1, 1, 1, 'ok', 1 FROM n`, n, []byte("To=%2B385917654321"))
	must(t, err)
}

// What is erased is not in the free places of the file either.
func TestEraseContactFromTheFile(t *testing.T) {
	t.Parallel()
	cfg := storetest.Config(t, storetest.SQLite)
	s, err := store.Open(t.Context(), cfg)
	must(t, err)
	ana := accept(t, s, to(1, survey.Recipient{Email: anaMail, Name: "Ana Kovač"}))[0].Send
	_, err = s.EraseContact(t.Context(), survey.Live, ana.ContactID, "usr_1", t0)
	must(t, err)
	must(t, s.Close())
	raw, err := os.ReadFile(filepath.Join(cfg.Dir, "odziv.db"))
	must(t, err)
	for _, word := range []string{anaMail, "Ana Kov"} {
		if n := bytes.Count(raw, []byte(word)); n > 0 {
			t.Errorf("%s is there %d times", word, n)
		}
	}
}
