package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
)

// serveSMTP is a mail server that takes every mail and looks at none: what it costs is not the gateway's. It answers
// commands in a row, as mail servers do (RFC 2920).
func serveSMTP(ctx context.Context) error {
	c := newCounter()
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var served sync.WaitGroup
	served.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			served.Go(func() { take(nc, c) })
			context.AfterFunc(ctx, func() { _ = nc.Close() })
		}
	})
	err = c.control(ctx, nil, "http://%s "+ln.Addr().String())
	_ = ln.Close()
	served.Wait()
	return err
}

// take serves one connection to its end.
func take(nc net.Conn, c *counter) {
	defer nc.Close()
	in := bufio.NewReaderSize(nc, 32<<10)
	out := bufio.NewWriter(nc)
	_, _ = out.WriteString("220 localhost\r\n")
	for {
		if in.Buffered() == 0 && out.Flush() != nil {
			return
		}
		line, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(string(line[:min(4, len(line))])); verb {
		case "EHLO":
			_, _ = out.WriteString("250-localhost\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
		case "DATA":
			_, _ = out.WriteString("354 go ahead\r\n")
			if out.Flush() != nil || skipText(in) != nil {
				return
			}
			c.add()
			_, _ = out.WriteString("250 2.0.0 taken\r\n")
		case "QUIT":
			_, _ = out.WriteString("221 bye\r\n")
			_ = out.Flush()
			return
		default:
			_, _ = out.WriteString("250 ok\r\n")
		}
	}
}

var endOfText = []byte("\r\n.\r\n") //nolint:gochecknoglobals // a table

// skipText reads a mail up to the line that ends it.
func skipText(in *bufio.Reader) error {
	for {
		if _, err := in.Peek(1); err != nil {
			return err
		}
		have, err := in.Peek(in.Buffered())
		if err != nil {
			return err
		}
		if i := bytes.Index(have, endOfText); i >= 0 {
			_, err := in.Discard(i + len(endOfText))
			return err
		}
		if len(have) < len(endOfText) { // wait for more without losing the beginning of the end
			if _, err := in.Peek(len(have) + 1); err != nil {
				return err
			}
			continue
		}
		if _, err := in.Discard(len(have) - len(endOfText) + 1); err != nil {
			return err
		}
		if _, err := in.Peek(len(endOfText)); err != nil {
			return errors.Join(errors.New("the mail has no end"), err)
		}
	}
}
