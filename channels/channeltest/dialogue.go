package channeltest

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// RunSMTP replays contract files whose provider is a mail server. Instead of request and answer they have a part
// «dialogue» with one line for each step:
//
//	S: 250 ok          the server says so
//	C: MAIL FROM:*     the client says what matches (path.Match, «/» and all)
//	C: .               the client sends a message up to its last line
//	X: close           the server closes the connection; X: reset likewise, with a reset
//	X: hang            the server says nothing more, and the caller gives up
//	X: next            the server waits for another connection
//
// A dialogue that ends while the client still has the connection is closed.
func RunSMTP(t *testing.T, glob string, f Factory) {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no contract files match %s: %v", glob, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			replaySMTP(t, file, f)
		})
	}
}

func replaySMTP(t *testing.T, file string, f Factory) {
	t.Helper()
	c := readContract(t, file)
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	played := make(chan error, 1)
	script := strings.TrimSpace(c.files["dialogue"])
	if script == "refuse" {
		_ = ln.Close()
		script = ""
	}
	go func() { played <- play(ctx, ln, script, cancel) }()
	channel, secrets, err := f("smtp://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	receipt, err := channel.Send(ctx, c.message)
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("Send took %s: it waits for what the dialogue does not have", took)
	}
	c.check(t, receipt, err, secrets)
	if err := <-played; err != nil {
		t.Errorf("dialogue: %v", err)
	}
}

// play is the server's side. give up tells the caller of the driver to stop waiting.
func play(ctx context.Context, ln net.Listener, script string, giveUp func()) error {
	var nc net.Conn
	var in *bufio.Reader
	defer func() {
		if nc != nil {
			_ = nc.Close()
		}
	}()
	if script == "" {
		return nil
	}
	for line := range strings.SplitSeq("X: next\n"+script, "\n") {
		who, what, _ := strings.Cut(line, ": ")
		var err error
		switch who + ": " + what {
		case "X: next":
			if nc, err = ln.Accept(); err == nil {
				in = bufio.NewReader(nc)
				err = nc.SetDeadline(time.Now().Add(20 * time.Second))
			}
		case "X: close":
			err = nc.Close()
		case "X: reset":
			if tcp, ok := nc.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0)
			}
			err = nc.Close()
		case "X: hang":
			giveUp()
			<-ctx.Done()
		case "C: .":
			for text := ""; text != ".\r\n" && err == nil; {
				text, err = in.ReadString('\n')
			}
		default:
			err = step(nc, in, who, what)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", line, err)
		}
	}
	return nil
}

func step(nc net.Conn, in *bufio.Reader, who, what string) error {
	if who == "S" {
		_, err := fmt.Fprintf(nc, "%s\r\n", what)
		return err
	}
	text, err := in.ReadString('\n')
	if err != nil {
		return err
	}
	got := strings.TrimRight(text, "\r\n")
	if ok, err := path.Match(strings.ReplaceAll(what, "/", "|"), strings.ReplaceAll(got, "/", "|")); err != nil || !ok {
		return fmt.Errorf("client says %q", got)
	}
	return nil
}
