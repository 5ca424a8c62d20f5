package store_test

import (
	"database/sql"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/odziv/odziv/store/storetest"
	"github.com/odziv/odziv/survey"
)

// Each benchmark of the store has a limit beside it: the same rows written by the plainest code that the database
// allows. Both report sends a second.

// A meter adds up the processor time of this process while the timer of a benchmark runs: it is steadier than a rate
// on a machine with neighbours. That of PostgreSQL is not in it.
type meter struct {
	b    *testing.B
	from time.Duration
	sum  time.Duration
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (m *meter) stop() {
	m.b.StopTimer()
	m.sum += cpu(m.b) - m.from
}

func (m *meter) start() {
	m.from = cpu(m.b)
	m.b.StartTimer()
}

func (m *meter) report(n int) {
	m.b.Helper()
	m.b.ReportMetric(float64(n)/m.b.Elapsed().Seconds(), "sends/s")
	m.b.ReportMetric(float64(m.sum.Microseconds())/float64(n), "cpu-µs/send")
	m.b.ReportMetric(0, "ns/op")
}

func BenchmarkAcceptBatch(b *testing.B) {
	for _, name := range storetest.Names(b) {
		for _, size := range []int{100, 1000, 10000} {
			b.Run(name+"/"+strconv.Itoa(size), func(b *testing.B) {
				s := storetest.Open(b, name)
				sends := make([]survey.Send, size)
				n := 0
				m := meter{b: b, from: cpu(b)}
				for b.Loop() {
					m.stop()
					for i := range sends {
						sends[i] = newSend(n)
						n++
					}
					m.start()
					if _, err := s.Accept(b.Context(), sends, nil); err != nil {
						b.Fatal(err)
					}
				}
				m.stop()
				m.report(n)
			})
		}
	}
}

func BenchmarkAcceptSingle64(b *testing.B) {
	for _, name := range storetest.Names(b) {
		b.Run(name, func(b *testing.B) {
			s := storetest.Open(b, name)
			var n atomic.Int64
			m := meter{b: b, from: cpu(b)}
			b.SetParallelism(32) // times two processors
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.Accept(b.Context(), []survey.Send{newSend(int(n.Add(1)))}, nil); err != nil {
						b.Error(err)
					}
				}
			})
			m.stop()
			m.report(int(n.Load()))
		})
	}
}

// BenchmarkLimitBatch writes the rows of BenchmarkAcceptBatch to SQLite, to two tables with the same keys and
// indexes, by one statement for 128 rows and nothing else.
func BenchmarkLimitBatch(b *testing.B) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "limit.db")+
		"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=cache_size(-8192)&_pragma=wal_autocheckpoint(4000)")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	db.SetMaxOpenConns(1)
	for _, text := range []string{
		`CREATE TABLE sends (id TEXT PRIMARY KEY, transaction_id TEXT, survey TEXT, contact_id TEXT, mode TEXT, lane TEXT, due_at BIGINT,
a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p)`,
		`CREATE UNIQUE INDEX sends_transaction ON sends (transaction_id, survey, contact_id, mode) WHERE transaction_id <> ''`,
		`CREATE INDEX sends_due ON sends (lane, due_at) WHERE lane <> ''`,
		`CREATE TABLE contacts (id TEXT PRIMARY KEY, a, b, c, d, e, f, g, h, i, j)`,
	} {
		if _, err := db.ExecContext(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
	const rows = 128
	prepare := func(head string, columns int) *sql.Stmt {
		row := "(" + strings.TrimSuffix(strings.Repeat("?,", columns), ",") + ")"
		st, err := db.PrepareContext(b.Context(), head+strings.TrimSuffix(strings.Repeat(row+",", rows), ","))
		if err != nil {
			b.Fatal(err)
		}
		return st
	}
	send, contact := prepare(`INSERT INTO sends VALUES `, 23), prepare(`INSERT INTO contacts VALUES `, 11)
	var ids survey.IDSource
	n := 0
	timed := meter{b: b, from: cpu(b)}
	for b.Loop() {
		timed.stop()
		var portions [][2][]any
		for range 8 {
			var p [2][]any
			for range rows {
				m := newSend(n)
				n++
				m.ID = ids.New(survey.SendPrefix, time.Now())
				m.ContactID = survey.IDOf("con_", [16]byte{byte(n * 7), byte(n * 13), byte(n >> 8), byte(n), byte(n >> 16)})
				p[0] = append(p[0], m.ID, m.Transaction.ID, m.Survey, m.ContactID, string(m.Mode), m.Lane, m.DueAt.UnixMicro(),
					m.Brand, int64(m.SurveyVersion), m.Locale, m.Recipient.Email, m.Recipient.Phone, "", string(m.Status), "", string(m.Kind),
					m.ExpiresAt.UnixMicro(), t0.UnixMicro(), t0.UnixMicro(), m.Actor, strings.Repeat("p", 160),
					strings.Repeat("d", 390), strings.Repeat("e", 130))
				p[1] = append(p[1], m.ContactID, string(m.Mode), m.Brand, m.Recipient.ExternalID, m.Recipient.Email, m.Recipient.Phone, "",
					m.Recipient.Name, m.Actor, t0.UnixMicro(), t0.UnixMicro())
			}
			portions = append(portions, p)
		}
		timed.start()
		tx, err := db.BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range portions {
			for i, st := range []*sql.Stmt{send, contact} {
				if _, err := tx.StmtContext(b.Context(), st).ExecContext(b.Context(), p[i]...); err != nil { //nolint:sqlclosecheck // closed with the transaction
					b.Fatal(err)
				}
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	timed.stop()
	timed.report(n)
}
