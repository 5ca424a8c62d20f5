package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// freePort asks the system for a port that nobody has.
func freePort(ctx context.Context) (int, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// A server is a Redis or PostgreSQL of ours, that can be restarted on its port.
type server struct {
	name  string
	args  []string
	log   *tail
	ready func(ctx context.Context) error
	cmd   *exec.Cmd
	ended chan struct{}
}

// start runs it and waits until it answers.
func (s *server) start(ctx context.Context) error {
	s.cmd = exec.Command(s.args[0], s.args[1:]...) //nolint:gosec,noctx // our own words; ended by stop, whose signal is not a kill
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.name, err)
	}
	ended := make(chan struct{})
	s.ended = ended
	cmd := s.cmd
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ended:
			return fmt.Errorf("%s ended at start: %s", s.name, s.log.last())
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w", s.name, err)
		}
	}
}

// stop ends it by sig, and by a kill when that takes longer than 20 seconds.
func (s *server) stop(sig syscall.Signal) {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(sig)
	timer := time.NewTimer(20 * time.Second)
	defer timer.Stop()
	select {
	case <-s.ended:
	case <-timer.C:
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}

// newRedis gives a Redis that keeps nothing on disk, not begun.
func newRedis(ctx context.Context, dir string) (*server, *redis.Client, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, nil, fmt.Errorf("%w; install redis-server", err)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, nil, err
	}
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + strconv.Itoa(port)})
	s := &server{
		name: "redis", log: new(tail), ready: func(ctx context.Context) error { return client.Ping(ctx).Err() },
		args: []string{path, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", dir},
	}
	return s, client, nil
}

// postgresBin finds the folder of initdb: on PATH, or the newest where Debian has it.
func postgresBin() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errors.New("no initdb on PATH nor in /usr/lib/postgresql; install PostgreSQL")
	}
	slices.Sort(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// newPostgres makes a cluster below dir. PostgreSQL refuses to run as root, so root lends it to the user postgres.
func newPostgres(ctx context.Context, dir string) (s *server, url string, err error) {
	bin, err := postgresBin()
	if err != nil {
		return nil, "", err
	}
	data := filepath.Join(dir, "pg")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, "", err
	}
	var as []string
	if os.Getuid() == 0 {
		if err := lend(data); err != nil {
			return nil, "", err
		}
		as = []string{"setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"}
	}
	args := append(slices.Clone(as), filepath.Join(bin, "initdb"), "-D", data, "-U", "odziv", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	cmd := exec.CommandContext(ctx, args[0], args[1:]...) //nolint:gosec // our own words
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, "", fmt.Errorf("initdb: %w\n%s", err, out)
	}
	port, err := freePort(ctx)
	if err != nil {
		return nil, "", err
	}
	url = fmt.Sprintf("postgres://odziv@127.0.0.1:%d/postgres?sslmode=disable", port)
	s = &server{
		name: "postgres", log: new(tail),
		args: append(as, filepath.Join(bin, "postgres"), "-D", data, "-p", strconv.Itoa(port), "-c", "listen_addresses=127.0.0.1",
			"-c", "unix_socket_directories=", "-c", "max_connections=200"),
		ready: func(ctx context.Context) error {
			c, err := pgx.Connect(ctx, url)
			if err != nil {
				return err
			}
			defer c.Close(ctx)
			return c.Ping(ctx)
		},
	}
	return s, url, nil
}

// lend gives a folder to the user postgres.
func lend(dir string) error {
	u, err := user.Lookup("postgres")
	if err != nil {
		return fmt.Errorf("%w: root cannot run PostgreSQL, and there is nobody to lend it to", err)
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return errors.Join(err1, err2, os.Chown(dir, uid, gid))
}
