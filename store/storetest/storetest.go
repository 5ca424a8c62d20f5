// Package storetest gives each test a database and a Redis of its own.
//
// ODZIV_TEST_DATABASE_URL and ODZIV_TEST_REDIS_URL name real servers; without them the embedded parts serve. With
// CI=true both must be set: a test that silently ran on less would prove less.
package storetest

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/odziv/odziv/store" //nolint:depguard // for tests only
)

// The databases by name.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
)

// env is the value of a variable that may only be empty outside of CI.
func env(tb testing.TB, name string) string {
	tb.Helper()
	value := os.Getenv(name)
	if value == "" && os.Getenv("CI") == "true" {
		tb.Fatalf("%s is not set, and CI is true", name)
	}
	return value
}

// PostgresURL gives an empty PostgreSQL, in a schema of its own that is dropped at the end of the test, for what SQLite cannot show, such as two
// gateways at once. Without a server the test is skipped, and in CI it fails.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	server := env(tb, "ODZIV_TEST_DATABASE_URL")
	if server == "" {
		tb.Skip("ODZIV_TEST_DATABASE_URL is not set")
	}
	return schema(tb, server)
}

// Names gives the databases that a test must pass on, for Open.
func Names(tb testing.TB) []string {
	tb.Helper()
	if env(tb, "ODZIV_TEST_DATABASE_URL") == "" {
		return []string{SQLite}
	}
	return []string{SQLite, Postgres}
}

// Config is of a new empty database of that name.
func Config(tb testing.TB, name string) store.Config {
	tb.Helper()
	cfg := store.Config{Dir: tb.TempDir()}
	if name == Postgres {
		cfg.URL = schema(tb, env(tb, "ODZIV_TEST_DATABASE_URL"))
	}
	return cfg
}

// Open opens a new empty store of that name, and closes it at the end of the test.
func Open(tb testing.TB, name string) *store.Store {
	tb.Helper()
	return OpenConfig(tb, Config(tb, name))
}

// OpenConfig opens a store and closes it at the end of the test.
func OpenConfig(tb testing.TB, cfg store.Config) *store.Store {
	tb.Helper()
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close store: %v", err)
		}
	})
	return s
}

// Each runs fn as a parallel subtest on every database.
func Each(t *testing.T, fn func(t *testing.T, s *store.Store)) {
	t.Helper()
	for _, name := range Names(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fn(t, Open(t, name))
		})
	}
}

// schema makes a schema and gives the URL of a connection that sees only it.
func schema(tb testing.TB, server string) string {
	tb.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	do := func(sql string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close(ctx) }()
		_, err = conn.Exec(ctx, sql)
		return err
	}
	if err := do("CREATE SCHEMA " + name); err != nil {
		tb.Fatalf("create schema: %v", err)
	}
	tb.Cleanup(func() {
		if err := do("DROP SCHEMA " + name + " CASCADE"); err != nil {
			tb.Errorf("drop schema: %v", err)
		}
	})
	u, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("ODZIV_TEST_DATABASE_URL is not a URL")
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// RedisURL gives an empty Redis that no other test sees: one in this process; or, when ODZIV_TEST_REDIS_URL is set,
// a redis-server of its own, or else a free database number of that server.
func RedisURL(tb testing.TB) string {
	tb.Helper()
	server := env(tb, "ODZIV_TEST_REDIS_URL")
	if server == "" {
		return "redis://" + miniredis.RunT(tb).Addr() + "/0"
	}
	if path, err := exec.LookPath("redis-server"); err == nil {
		return redisServer(tb, path)
	}
	return redisNumber(tb, server)
}

// redisServer starts a process on a free port and waits until it accepts connections.
func redisServer(tb testing.TB, path string) string {
	tb.Helper()
	for range 5 { // another may take the port in between
		l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
		if err != nil {
			tb.Fatal(err)
		}
		addr := l.Addr().(*net.TCPAddr)
		if err := l.Close(); err != nil {
			tb.Fatal(err)
		}
		if startRedis(tb, path, addr.Port) {
			return "redis://" + addr.String() + "/0"
		}
	}
	tb.Fatal("redis-server does not start")
	return ""
}

func startRedis(tb testing.TB, path string, port int) bool {
	tb.Helper()
	cmd := exec.CommandContext(context.Background(), path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", //nolint:gosec // found on PATH
		"--save", "", "--appendonly", "no", "--dir", tb.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	ready := make(chan bool, 1)
	ended := make(chan struct{})
	go func() { // reads to the end: a full pipe would stop the server
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if strings.Contains(strings.ToLower(lines.Text()), "ready to accept connections") {
				ready <- true
			}
		}
		close(ready)
	}()
	stop := func() {
		_ = cmd.Process.Kill()
		<-ended
		_ = cmd.Wait()
	}
	select {
	case ok := <-ready:
		if !ok {
			stop()
			return false
		}
	case <-time.After(10 * time.Second):
		stop()
		return false
	}
	tb.Cleanup(stop)
	return true
}

// redisNumber takes a database number of a server that other tests use too. Number 0 holds the locks.
func redisNumber(tb testing.TB, server string) string {
	tb.Helper()
	ctx := context.Background()
	opts, err := redis.ParseURL(server)
	if err != nil {
		tb.Fatalf("ODZIV_TEST_REDIS_URL is not a URL of Redis")
	}
	opts.DB = 0
	locks := redis.NewClient(opts)
	mine := rand.Text()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); <-retry.C {
		for number := 1; number < 16; number++ {
			name := fmt.Sprintf("odziv-test-db-%d", number)
			ok, err := locks.SetNX(ctx, name, mine, 10*time.Minute).Result()
			if err != nil {
				tb.Fatalf("lock a Redis database: %v", err)
			}
			if !ok {
				continue
			}
			numbered := *opts
			numbered.DB = number
			client := redis.NewClient(&numbered)
			if err := client.FlushDB(ctx).Err(); err != nil {
				tb.Fatalf("flush Redis database %d: %v", number, err)
			}
			tb.Cleanup(func() {
				_ = client.FlushDB(ctx).Err()
				_ = client.Close()
				_ = locks.Del(ctx, name).Err()
				_ = locks.Close()
			})
			u, err := url.Parse(server)
			if err != nil {
				tb.Fatalf("ODZIV_TEST_REDIS_URL is not a URL")
			}
			u.Path = "/" + strconv.Itoa(number)
			return u.String()
		}
	}
	tb.Fatal("no Redis database number is free")
	return ""
}
