// Package store keeps everything in SQLite or in PostgreSQL, by one SQL text for both (docs/adr has the dialect).
//
// Every change goes through a writer that merges all that wait into one transaction: many callers share one fsync.
// A method that changes something returns after its commit is on disk. When the context of a caller ends before,
// the caller gets ctx.Err(), and the change may or may not happen.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/odziv/odziv/survey"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrClosed says that the store was closed.
var ErrClosed = errors.New("store is closed")

// A Config says where the data is.
type Config struct {
	URL string           // postgres://… ; "" is the SQLite file odziv.db in Dir
	Dir string           // directory of the SQLite file, made when missing
	Log *slog.Logger     // nil: no log
	Now func() time.Time // nil: time.Now
	// Connections that write to PostgreSQL; 0 is 1. SQLite has always one. With more, a contact that was just accepted may not be found yet:
	// each keeps contacts back for itself.
	Writers int
	// No policy looks at what a person was asked before: Facts has no Past, and histories are kept under addresses only.
	NoFatigue bool
}

// A Store is the truth about every send. Safe for concurrent use.
type Store struct {
	db        *sql.DB
	dialect   dialect
	log       *slog.Logger
	now       func() time.Time
	ids       survey.IDSource
	reader    reader
	plans     memo[[]survey.Step]
	docs      memo[doc]
	hashes    memo[string] // of addresses
	noFatigue bool         // Config.NoFatigue
	walkMost  int          // ids that one call of a list looks at
	keyed     []byte       // under which the addresses of erased people are hashed
	sole      string       // mark of the only writer, "" when there are several
	healed    []debt       // that Open has read back

	queue   chan *job
	writers sync.WaitGroup
	mu      sync.RWMutex
	closed  bool // guarded by mu

	searches sync.WaitGroup // of the inbox, after erasures
	later    sync.WaitGroup // others that wait for their time, or for closing
	closing  chan struct{}
}

// readers is how many connections read what is needed of every send.
const readers = 3

// A dialect is all in which the two databases differ.
type dialect struct {
	postgres bool
	begin    string
	lock     string        // end of a SELECT of rows that will be changed
	skip     string        // the same, passing over rows that another has locked
	timeout  time.Duration // of one transaction; 0 = none
	writer   string        // what a writer says when it has connected; "" = nothing
	linger   time.Duration // for which a group waits for callers that come again; a commit that takes longer gathers them by itself
}

// Open connects, brings the tables up to date and starts the writer.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{log: cfg.Log, now: cfg.Now, noFatigue: cfg.NoFatigue, walkMost: walkMost, queue: make(chan *job, queueLength), closing: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	var connect func(context.Context) (link, error)
	writers := 1
	if cfg.URL == "" {
		s.db, connect, err = openSQLite(cfg.Dir)
		s.dialect = dialect{begin: "BEGIN IMMEDIATE", writer: `PRAGMA cache_size = -8192`, linger: 500 * time.Microsecond}
	} else {
		writers = max(1, cfg.Writers)
		s.db, connect, err = openPostgres(cfg.URL)
		s.dialect = dialect{
			postgres: true, begin: "BEGIN", lock: " FOR UPDATE", skip: " FOR UPDATE SKIP LOCKED", timeout: 30 * time.Second,
		}
	}
	if err != nil {
		return nil, err
	}
	s.reader = reader{db: s.db, pool: newPool(readers, connect), postgres: s.dialect.postgres}
	if err := s.migrate(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate: %w", err), s.db.Close())
	}
	for range writers {
		w := &writer{store: s, connect: connect, part: backlogLeast, behind: backlog{mark: s.ids.New(behindMark, s.now())}}
		if err := w.open(ctx); err != nil {
			close(s.queue)
			s.writers.Wait()
			return nil, errors.Join(err, s.db.Close())
		}
		if s.sole = w.behind.mark; writers > 1 {
			s.sole = ""
		}
		s.writers.Go(w.run)
	}
	if err := s.openContacts(ctx, 2*contactsKept*writers); err != nil {
		return nil, errors.Join(fmt.Errorf("open contacts: %w", err), s.Close())
	}
	return s, nil
}

func openSQLite(dir string) (*sql.DB, func(context.Context) (link, error), error) {
	if dir == "" {
		dir = "."
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	path := filepath.Join(dir, "odziv.db")
	// The file holds addresses of people: made here, so that only its owner can read it.
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // the operator's own directory
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	// The path is escaped for an SQLite URI: "?" and "#" would end it.
	escaped := strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
	// Eight connections that read have a small cache each, which is void with every commit; the one that writes has more. What is erased is
	// overwritten where its page is written anyway.
	dsn := "file:" + escaped +
		"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(1)" +
		"&_pragma=temp_store(memory)&_pragma=cache_size(-2048)&_pragma=wal_autocheckpoint(4000)&_pragma=secure_delete(fast)"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	return db, func(context.Context) (link, error) { return openSQLiteLink(db.Driver(), dsn) }, nil
}

func openPostgres(url string) (*sql.DB, func(context.Context) (link, error), error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, nil, err // pgx leaves the password out
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "odziv"
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = 5 * time.Second
	}
	db := stdlib.OpenDB(*cfg, stdlib.OptionAfterConnect(byIndex))
	db.SetMaxOpenConns(8)
	db.SetMaxIdleConns(8)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return db, func(ctx context.Context) (link, error) { return openPostgresLink(ctx, cfg) }, nil
}

// byIndex keeps a connection from reading whole tables, or all of a lane. Statements are prepared once and their plans kept: one that was
// made while a table was small would read all of it for ever, because PostgreSQL makes a new plan only after ANALYZE. Every hot
// statement goes by an index, a row at a time, and no plan is better for having seen the values: without the five that PostgreSQL else tries first,
// its processor time in a benchmark of some seconds is 8 % less. Compiling a plan and starting processes for it are out of proportion for some
// rows, and both are chosen by estimates that are too high: among 300,000 contacts a look-up of 0.2 ms took 100.
func byIndex(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `
SET enable_seqscan TO off; SET enable_bitmapscan TO off; SET enable_hashjoin TO off; SET enable_mergejoin TO off;
SET jit TO off; SET max_parallel_workers_per_gather TO 0; SET plan_cache_mode TO force_generic_plan`)
	return err
}

func (s *Store) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	name, opts := goose.DialectSQLite3, []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if !s.dialect.postgres {
		files = marked{files}
	} else {
		name = goose.DialectPostgres
		var schema string
		if err := s.db.QueryRowContext(ctx, `SELECT current_schema()`).Scan(&schema); err != nil {
			return err
		}
		h := fnv.New32a() // one lock a schema: two of them have nothing to wait for
		_, _ = h.Write([]byte("odziv " + schema))
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockID(int64(h.Sum32())), lock.WithLockTimeout(1, 60))
		if err != nil {
			return err
		}
		opts = append(opts, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(name, s.db, files, opts...)
	if err != nil {
		return err
	}
	done, err := p.Up(ctx)
	for _, m := range done {
		s.log.InfoContext(ctx, "migrated", "version", m.Source.Version, "duration", m.Duration)
	}
	return err
}

// Close refuses new work, waits until the writer has written what waits, and closes the database. A second Close
// does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.closing)
	close(s.queue)
	s.mu.Unlock()
	s.writers.Wait()
	s.searches.Wait()
	s.later.Wait()
	s.reader.close()
	return s.db.Close()
}

// Ping asks the database for an answer.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.reader.row(ctx, `SELECT 1`, nil, &one)
}

const (
	selectSetting = `SELECT value FROM settings WHERE name = $1`
	insertSetting = `INSERT INTO settings (name, value, at) VALUES ($1, $2, $3) ON CONFLICT (name) DO NOTHING`
)

// Secret gives 32 random bytes that are made when the name is first asked for, and are the same ever after for
// every process of this database.
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	var value []byte
	err := s.reader.row(ctx, selectSetting, []any{"secret." + name}, &value)
	if err == nil || !errors.Is(err, survey.ErrNotFound) {
		return value, err
	}
	fresh := make([]byte, 32)
	_, _ = rand.Read(fresh) // never fails: crypto/rand ends the program instead
	err = s.other(ctx, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, insertSetting, "secret."+name, fresh, micros(s.now())); err != nil {
			return err
		}
		return one(ctx, t, selectSetting, []any{"secret." + name}, &value)
	})
	if err != nil {
		return nil, err // value may still be written to
	}
	return value, nil
}

// micros is a time as it is stored; moment is its inverse.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// stored is a time as it will be read back.
func stored(t time.Time) time.Time { return moment(micros(t)) }

// clean makes a text of foreign origin storable: PostgreSQL takes neither invalid UTF-8 nor NUL.
func clean(s string) string {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return s
	}
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// checkCursor refuses what no page gave as its next: it would pass for a page.
func checkCursor(prefix, cursor string) error {
	if _, ok := survey.RawID(prefix, cursor); ok || cursor == "" {
		return nil
	}
	return survey.InvalidError{{
		Pointer: "/cursor", Code: "invalid_value", Detail: "this is no cursor of this list; take it from «next» of the page before",
	}}
}

// page bounds a limit that a caller asked for.
func page(limit int) int {
	if limit <= 0 {
		return 50
	}
	return min(limit, 1000)
}
