package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"

	gosmtp "github.com/wneessen/go-mail/smtp"

	"github.com/odziv/odziv/channels"
)

// A connection that breaks while the text goes out: the line that ends it did not, so the server has taken nothing.
func TestBrokenInTheText(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	go func() {
		defer theirs.Close()
		in := bufio.NewReader(theirs)
		for _, answer := range []string{"220 mx", "250 mx", "250 ok", "250 ok", "354 go ahead"} {
			if answer != "220 mx" {
				_, _ = in.ReadString('\n')
			}
			_, _ = fmt.Fprintf(theirs, "%s\r\n", answer)
		}
		_, _ = in.ReadString('\n')
	}()
	raw := &conn{Conn: ours}
	client, err := gosmtp.NewClient(raw, "mx")
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Hello("localhost"); err != nil {
		t.Fatal(err)
	}
	s := &session{client: client, raw: raw, timeout: 10 * time.Second}
	err = s.send(t.Context(), envelope{from: "<a@example.hr>", to: "<b@example.hr>", data: []byte(strings.Repeat("text\r\n", 2000) + ".\r\n")})
	if e, ok := errors.AsType[*stageError](err); !ok || e.stage != stageBody || s.fit {
		t.Fatalf("send = %v, fit %t; want an error of the text", err, s.fit)
	}
	if f := new(Channel).fault(t.Context(), err, "b@example.hr"); f.Fault != channels.Transient {
		t.Errorf("fault %v; want transient", f)
	}
}

// A deadline that is set after the caller gave up must not bring the connection back.
func TestAbortIsForGood(t *testing.T) {
	t.Parallel()
	ours, theirs := net.Pipe()
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	c := &conn{Conn: ours}
	c.abort()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begun) > 5*time.Second {
		t.Errorf("Read = %v after %s; want a deadline gone by", err, time.Since(begun))
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	c := &Channel{user: "gate", password: "hunter2"}
	tests := []struct{ name, in, want string }{
		{"nobody", "5.7.1 Message looks like spam", "550 5.7.1 Message looks like spam"},
		{"the recipient", "5.1.1 <ana.kovac@example.hr> unknown", "550 5.1.1 <…> unknown"},
		{"its local part", "5.1.1 User Ana.Kovac unknown", "550 5.1.1 User … unknown"},
		{"another person", "5.1.1 forwards to eva@example.net, who is gone", "550 5.1.1 forwards to …, who is gone"},
		{"credentials", "gate may not log in with hunter2", "550 … may not log in with …"},
		{"lines", "one\ntwo", "550 one two"},
		{"a word that holds the user", "gateway is busy", "550 gateway is busy"},
		{"long", strings.Repeat("č", 400), "550 " + strings.Repeat("č", 150)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := c.clean(&textproto.Error{Code: 550, Msg: tt.in}, "ana.kovac@example.hr").Error()
			if got != tt.want {
				t.Errorf("clean = %q; want %q", got, tt.want)
			}
		})
	}
}
