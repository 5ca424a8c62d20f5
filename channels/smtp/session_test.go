package smtp

import (
	"errors"
	"net"
	"net/textproto"
	"os"
	"strings"
	"testing"
	"time"
)

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
