package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A tail keeps the last of what was written to it, and copies all to to when that is set.
type tail struct {
	mu   sync.Mutex
	text []byte // guarded by mu
	to   io.Writer
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if over := len(t.text) - 1<<16; over > 1<<16 {
		t.text = bytes.Clone(t.text[over:])
	}
	if t.to != nil {
		_, _ = t.to.Write(p)
	}
	return len(p), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.text)), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "\n")
}

// A death is an end that nobody asked for.
type death struct {
	started, ended time.Time
	words          string
}

// A node is a process of the gateway. It is started again whenever it ends, as an init system would.
type node struct {
	name   string
	url    string
	binary string
	args   []string
	env    []string
	log    *tail

	mu     sync.Mutex
	cmd    *exec.Cmd // guarded by mu: nil while it does not run
	killed bool      // guarded by mu: by us
	kills  int       // guarded by mu
	deaths []death   // guarded by mu: when it ended by itself
}

// supervise runs it until ctx ends, then stops it as an operator would.
func (n *node) supervise(ctx context.Context) {
	for ctx.Err() == nil {
		cmd := exec.Command(n.binary, n.args...) //nolint:gosec,noctx // our own words; ended below, whose signal is not a kill
		cmd.Env = append(os.Environ(), n.env...)
		cmd.Stdout, cmd.Stderr = n.log, n.log
		if err := cmd.Start(); err != nil {
			_, _ = fmt.Fprintln(n.log, "start:", err)
			n.pause(ctx)
			continue
		}
		started := time.Now()
		n.mu.Lock()
		n.cmd, n.killed = cmd, false
		n.mu.Unlock()
		ended := make(chan struct{})
		var err error
		go func() {
			err = cmd.Wait()
			close(ended)
		}()
		select {
		case <-ended:
			n.mu.Lock()
			if n.cmd = nil; !n.killed {
				n.deaths = append(n.deaths, death{started, time.Now(), fmt.Sprintf("%s ended by itself (%v): %s", n.name, err, n.log.last())})
			}
			n.mu.Unlock()
			n.pause(ctx)
		case <-ctx.Done():
			n.end(cmd, ended)
		}
	}
}

// pause is how long an init system waits before it starts something again.
func (n *node) pause(ctx context.Context) {
	select {
	case <-time.After(200 * time.Millisecond):
	case <-ctx.Done():
	}
}

// end asks it to end, and kills it when it does not within 20 seconds.
func (n *node) end(cmd *exec.Cmd, ended <-chan struct{}) {
	_ = cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
		n.mu.Lock()
		n.deaths = append(n.deaths, death{words: n.name + " did not stop within 20 s of SIGTERM"})
		n.mu.Unlock()
	}
}

// kill is kill -9. It is false when nothing runs.
func (n *node) kill() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil || n.killed {
		return false
	}
	n.killed = true
	n.kills++
	_ = n.cmd.Process.Kill()
	return true
}

// ready reports whether it answers.
func (n *node) ready(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.url+"/readyz", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}
