package channeltest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/mail"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/jhillyerd/enmime/v2"
)

// An SMTPConfig is the mail server to play.
type SMTPConfig struct {
	Listen   string // host:port; "" = a free port of 127.0.0.1
	User     string // "" = nobody signs in
	Password string
	TLS      bool // STARTTLS with a certificate of its own; Roots has it
	Implicit bool // TLS from the first byte
	Faults   Faults
	Plain    bool // mail may come without List-Unsubscribe
	KeepRaw  bool // keep the bytes of every mail
	// CheckEvery reads and checks one mail in so many; 0 = every one. The others are only counted, which is cheaper.
	CheckEvery int
	// Reply, when set, decides on the answer to RCPT; nil = by Faults.
	Reply func(to string) *gosmtp.SMTPError
}

// An SMTP is a mail server that keeps what it gets, and checks it as a careful receiver would.
type SMTP struct {
	*Provider
	cfg    SMTPConfig
	server *gosmtp.Server
	ln     net.Listener
	roots  *x509.CertPool
	served chan struct{}

	connMu sync.Mutex
	conns  map[*gosmtp.Conn]struct{} // guarded by connMu
	opened int                       // guarded by connMu
}

// NewSMTP starts one. Close it.
func NewSMTP(cfg SMTPConfig) (*SMTP, error) {
	s := &SMTP{Provider: newProvider(cfg.Faults), cfg: cfg, served: make(chan struct{}), conns: map[*gosmtp.Conn]struct{}{}}
	s.server = gosmtp.NewServer(gosmtp.BackendFunc(s.open))
	s.server.Domain, s.server.AllowInsecureAuth = "mx.example.net", true
	s.server.MaxMessageBytes = 10 << 20
	s.server.EnableSMTPUTF8 = true // offered, so that one can see who asks for it
	s.server.ErrorLog = quiet{}
	address := cfg.Listen
	if address == "" {
		address = "127.0.0.1:0"
	}
	var err error
	if s.ln, err = new(net.ListenConfig).Listen(context.Background(), "tcp", address); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if cfg.TLS || cfg.Implicit {
		certificate, roots, err := selfSigned()
		if err != nil {
			return nil, errors.Join(err, s.ln.Close())
		}
		s.roots = roots
		s.server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	}
	var ln net.Listener = counter{s.ln, s}
	if cfg.Implicit {
		ln = tls.NewListener(ln, s.server.TLSConfig)
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(ln) // closed
	}()
	return s, nil
}

type quiet struct{}

// Printf says nothing.
func (quiet) Printf(string, ...any) {}

// Println says nothing.
func (quiet) Println(...any) {}

// URL is the url of the smtp driver, with credentials and the right tls option.
func (s *SMTP) URL() string {
	mode, user := "none", ""
	switch {
	case s.cfg.Implicit:
		mode = "implicit"
	case s.cfg.TLS:
		mode = "starttls"
	}
	if s.cfg.User != "" {
		user = s.cfg.User + ":" + s.cfg.Password + "@"
	}
	return "smtp://" + user + s.ln.Addr().String() + "?tls=" + mode
}

// Roots trusts the certificate of a server with TLS; nil without.
func (s *SMTP) Roots() *x509.CertPool { return s.roots }

// Opened counts the connections there ever were.
func (s *SMTP) Opened() int { s.connMu.Lock(); defer s.connMu.Unlock(); return s.opened }

// Open counts the connections there are.
func (s *SMTP) Open() int { s.connMu.Lock(); defer s.connMu.Unlock(); return len(s.conns) }

// Drop closes every connection, as a server does to idle ones.
func (s *SMTP) Drop() {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	for c := range s.conns {
		_ = c.Conn().Close()
	}
}

// Close stops the server.
func (s *SMTP) Close() error {
	s.end()
	err := s.server.Close()
	_ = s.ln.Close() // Close passes over a server that has not begun to serve
	<-s.served
	if errors.Is(err, gosmtp.ErrServerClosed) {
		return nil
	}
	return err
}

// A counter counts connections: go-smtp opens a second session on one that changes to TLS.
type counter struct {
	net.Listener
	s *SMTP
}

// Accept counts.
func (c counter) Accept() (net.Conn, error) {
	nc, err := c.Listener.Accept()
	if err == nil {
		c.s.connMu.Lock()
		c.s.opened++
		c.s.connMu.Unlock()
	}
	return nc, err
}

func (s *SMTP) open(c *gosmtp.Conn) (gosmtp.Session, error) {
	s.connMu.Lock()
	defer s.connMu.Unlock()
	s.conns[c] = struct{}{}
	return &mailSession{s: s, c: c, signedIn: s.cfg.User == ""}, nil
}

// A mailSession is one connection to the sink.
type mailSession struct {
	s        *SMTP
	c        *gosmtp.Conn
	signedIn bool
	from, to string
	fate     fate
	faults   Faults
}

// AuthMechanisms offers PLAIN when there is somebody to sign in.
func (m *mailSession) AuthMechanisms() []string {
	if m.s.cfg.User == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth signs in.
func (m *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != m.s.cfg.User || password != m.s.cfg.Password {
			m.s.violate("credentials are wrong")
			return gosmtp.ErrAuthFailed
		}
		m.signedIn = true
		return nil
	}), nil
}

// Reset forgets the transaction.
func (m *mailSession) Reset() { m.from, m.to = "", "" }

// Logout ends the session.
func (m *mailSession) Logout() error {
	m.s.connMu.Lock()
	defer m.s.connMu.Unlock()
	delete(m.s.conns, m.c)
	return nil
}

func answer(code int, enhanced gosmtp.EnhancedCode, text string) *gosmtp.SMTPError {
	return &gosmtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// Mail begins a transaction and draws its fate.
func (m *mailSession) Mail(from string, opts *gosmtp.MailOptions) error {
	if !m.signedIn {
		m.s.violate("MAIL FROM before signing in")
		return answer(530, gosmtp.EnhancedCode{5, 7, 0}, "Authentication required")
	}
	if opts.UTF8 {
		m.s.violate("MAIL FROM asks for SMTPUTF8")
	}
	m.from = from
	m.fate, m.faults = m.s.draw()
	if m.fate == drop {
		m.hangUp()
	}
	return nil
}

func (m *mailSession) hangUp() {
	nc := m.c.Conn()
	if tcp, ok := nc.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = nc.Close()
}

// Rcpt takes one recipient.
func (m *mailSession) Rcpt(to string, _ *gosmtp.RcptOptions) error {
	if m.to != "" {
		m.s.violate("more than one RCPT TO")
	}
	if m.s.cfg.Reply != nil {
		if e := m.s.cfg.Reply(to); e != nil {
			return e
		}
	}
	switch m.fate {
	case serverError:
		return answer(451, gosmtp.EnhancedCode{4, 3, 0}, "Temporary failure")
	case throttled:
		return answer(450, gosmtp.EnhancedCode{4, 7, 1}, "Try again later")
	case refused:
		return answer(550, gosmtp.EnhancedCode{5, 1, 1}, "<"+to+">: Recipient address rejected: User unknown")
	case taken, timeout, reset, drop, slow:
	}
	m.to = to
	return nil
}

// attemptInHead finds our attempt id without reading the whole mail.
var attemptInHead = regexp.MustCompile(`(?im)^Message-ID:\s*<([^@>]+)@[^>]+>`)

// Data takes the mail.
func (m *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err // the client is gone in the middle: nothing is taken
	}
	got := Received{To: m.to, From: m.from}
	if id := attemptInHead.FindSubmatch(raw[:min(len(raw), 8192)]); id != nil {
		got.AttemptID = string(id[1])
		got.ID = "<" + strings.TrimPrefix(strings.TrimSpace(string(id[0][len("Message-ID:"):])), "<")
	} else {
		m.s.violate("mail has no Message-ID")
	}
	if every := max(m.s.cfg.CheckEvery, 1); m.s.Count()%every == 0 {
		m.s.checkMail(raw, &got)
	}
	if m.s.cfg.KeepRaw {
		got.Raw = raw
	}
	m.s.take(got)
	switch m.fate {
	case timeout:
		m.s.wait(nil, m.faults.hang())
		m.hangUp()
	case reset:
		m.hangUp()
	case slow:
		m.s.wait(nil, m.faults.SlowBy)
	case taken, serverError, throttled, drop, refused:
	}
	return nil
}

// checkMail reads a mail as a careful receiver would.
func (s *SMTP) checkMail(raw []byte, got *Received) {
	for line := range bytes.SplitSeq(raw, []byte("\n")) {
		if len(line) > 999 {
			s.violate("a line has %d bytes", len(line))
		}
	}
	e, err := enmime.ReadEnvelope(bytes.NewReader(raw))
	if err != nil {
		s.violate("MIME: %v", err)
		return
	}
	for _, w := range e.Errors {
		s.violate("MIME: %s", w.Name)
	}
	got.Subject, got.Text, got.HTML = e.GetHeader("Subject"), e.Text, e.HTML
	if got.Subject == "" || strings.TrimSpace(got.Text) == "" {
		s.violate("mail has no subject or no text")
	}
	if e.HTML != "" && !strings.HasPrefix(e.GetHeader("Content-Type"), "multipart/alternative") {
		s.violate("mail with HTML is %s", e.GetHeader("Content-Type"))
	}
	s.checkAddress(e, "From", got.From)
	s.checkAddress(e, "To", got.To)
	if _, err := mail.ParseDate(e.GetHeader("Date")); err != nil {
		s.violate("Date: %v", err)
	}
	if e.GetHeader("Auto-Submitted") != "auto-generated" {
		s.violate("Auto-Submitted is %q", e.GetHeader("Auto-Submitted"))
	}
	if s.cfg.Plain {
		return
	}
	list := e.GetHeader("List-Unsubscribe")
	if n := strings.Count(list, "<http"); n != 1 || !strings.HasPrefix(list, "<http") {
		s.violate("List-Unsubscribe has %d addresses of pages", n)
	}
	if post := e.GetHeader("List-Unsubscribe-Post"); post != "List-Unsubscribe=One-Click" {
		s.violate("List-Unsubscribe-Post is %q", post)
	}
}

func (s *SMTP) checkAddress(e *enmime.Envelope, header, envelope string) {
	list, err := e.AddressList(header)
	if err != nil || len(list) != 1 || list[0].Address != envelope {
		s.violate("%s is not the one of the envelope: %v", header, err)
	}
}

// selfSigned makes a certificate for 127.0.0.1 that is good for a day.
func selfSigned() (tls.Certificate, *x509.CertPool, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mx.example.net"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots, nil
}
