package web

import (
	"io"
	"net"
	"sync/atomic"
	"time"
)

// How much of a refused body is read, and for how long, before its connection is closed.
const (
	lingerBytes = 4 * MaxBatch
	lingerTime  = 2 * time.Second
)

// Listener makes sure that callers get to read why their body was refused. A server that answers early and closes
// while the caller still writes has its answer thrown away by the caller's own kernel (RFC 9112, section 9.6), so
// such a connection is closed for writing first, and what still comes is read and dropped for a while.
func Listener(ln net.Listener) net.Listener { return lingering{ln} }

type lingering struct{ net.Listener }

// Accept waits for the next connection.
func (l lingering) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lingerConn{Conn: c}, nil
}

type lingerConn struct {
	net.Conn
	early atomic.Bool // the answer was sent before the body was read
}

// Close waits for the caller to stop writing if it may not have.
func (c *lingerConn) Close() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && c.early.Load() {
		_ = half.CloseWrite() // what fails here fails in Close too
		_ = c.SetReadDeadline(time.Now().Add(lingerTime))
		_, _ = io.Copy(io.Discard, io.LimitReader(c.Conn, lingerBytes))
	}
	return c.Conn.Close()
}
