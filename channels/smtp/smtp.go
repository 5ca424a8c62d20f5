// Package smtp sends email through a mail server of the operator's, over a pool of kept connections.
//
// Source: RFC 5321 (SMTP), RFC 8058 (one-click unsubscribe), RFC 6376 (DKIM).
package smtp

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/textproto"
	"net/url"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/odziv/odziv/channels"
)

const (
	defaultConcurrency = 10
	// defaultTimeout is for each command: a server may well scan a message for half a minute before it takes it.
	defaultTimeout = 60 * time.Second
	// idleTimeout is how long an unused connection is kept; most servers close it after 30 seconds to 5 minutes.
	idleTimeout = 25 * time.Second
)

// A Config is one mail account.
type Config struct {
	URL             string        // smtp://user:pass@host:587?tls=starttls; tls is starttls (default), implicit or none
	From            string        // «Trgovina <ankete@example.hr>»
	ReplyTo         string        // "" = none
	DKIM            DKIM          // zero = the server signs
	Concurrency     int           // connections at once; 0 = 10
	UnsubscribeMail string        // address that takes unsubscribe mails; "" = none
	Timeout         time.Duration // of each command; 0 = 60 s
	TLS             *tls.Config   // roots other than the system's; nil = the system's
}

// A DKIM is the key that signs mail here.
type DKIM struct {
	Domain   string
	Selector string
	KeyFile  string // PEM: RSA or Ed25519, PKCS#1 or PKCS#8
}

// A Channel is one mail account. It keeps connections: Close it.
type Channel struct {
	cfg     Config
	from    mail.Address // ASCII domain
	replyTo *mail.Address
	domain  string // of from
	key     crypto.Signer

	host     string
	port     int
	user     string
	password string
	policy   string // tls of the URL

	frames  frames
	buffers sync.Pool // of *[]byte, for messages

	slots chan struct{} // one for each connection that may be in use

	mu     sync.Mutex
	idle   []*session // guarded by mu, the latest used last
	reaper *time.Timer
	closed bool
}

var _ channels.Channel = (*Channel)(nil)

// New gives the account of cfg, or an error that names every field at fault. It does not connect.
func New(cfg Config) (*Channel, error) {
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = defaultConcurrency
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = defaultTimeout
	}
	c := &Channel{cfg: cfg, slots: make(chan struct{}, cfg.Concurrency)}
	if err := errors.Join(c.parseURL(), c.parseAddresses(), c.parseDKIM()); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Channel) parseURL() error {
	u, err := url.Parse(c.cfg.URL)
	if err != nil || u.Scheme != "smtp" || u.Hostname() == "" { // the parser's own error would show the password
		return errors.New("url: not of the form smtp://user:password@host:587?tls=starttls")
	}
	c.host, c.policy = u.Hostname(), u.Query().Get("tls")
	c.user = u.User.Username()
	c.password, _ = u.User.Password()
	standard := 587
	switch c.policy {
	case "":
		c.policy = "starttls"
	case "starttls":
	case "implicit":
		standard = 465
	case "none":
		standard = 25
	default:
		return errors.New("url: tls is none, starttls or implicit")
	}
	for name := range u.Query() {
		if name != "tls" {
			return fmt.Errorf("url: unknown option %q; there is tls only", name)
		}
	}
	c.port = standard
	if u.Port() != "" {
		if c.port, err = strconv.Atoi(u.Port()); err != nil || c.port < 1 || c.port > 65535 {
			return errors.New("url: port is 1 to 65535")
		}
	}
	return nil
}

func (c *Channel) parseAddresses() error {
	var faults []error
	from, err := parseAddress(c.cfg.From)
	if err != nil {
		faults = append(faults, fmt.Errorf("from: %w", err))
	} else {
		c.from, c.domain = *from, domainOf(from.Address)
	}
	if c.cfg.ReplyTo != "" {
		if c.replyTo, err = parseAddress(c.cfg.ReplyTo); err != nil {
			faults = append(faults, fmt.Errorf("reply_to: %w", err))
		}
	}
	if c.cfg.UnsubscribeMail != "" {
		to, err := parseAddress(c.cfg.UnsubscribeMail)
		if err != nil {
			faults = append(faults, fmt.Errorf("unsubscribe_mail: %w", err))
		} else {
			c.cfg.UnsubscribeMail = to.Address
		}
	}
	return errors.Join(faults...)
}

func (c *Channel) parseDKIM() error {
	d := c.cfg.DKIM
	if d == (DKIM{}) {
		return nil
	}
	if d.Domain == "" || d.Selector == "" || d.KeyFile == "" {
		return errors.New("dkim: domain, selector and key_file are needed together")
	}
	pem, err := os.ReadFile(d.KeyFile)
	if err != nil {
		return fmt.Errorf("dkim: %w", err)
	}
	if c.key, err = gomail.PrivKeyFromPEM(pem); err != nil {
		return fmt.Errorf("dkim: %s: %w", d.KeyFile, err)
	}
	if _, err := signer(d, c.key).Sign([]byte("From: a@example.org\r\n"), []byte("test\r\n")); err != nil {
		return fmt.Errorf("dkim: %s: %w", d.KeyFile, err)
	}
	return nil
}

// Send makes one attempt: one message to one person on one connection.
func (c *Channel) Send(ctx context.Context, m channels.Message) (channels.Receipt, error) {
	to, err := parseAddress(m.To)
	if err != nil {
		return channels.Receipt{}, &channels.Error{Fault: channels.Unreachable, Err: err}
	}
	buf, ok := c.buffers.Get().(*[]byte)
	if !ok {
		buf = new([]byte)
	}
	e, err := c.build(*buf, m, *to) // whole, before the server hears of it
	if err != nil {
		return channels.Receipt{}, &channels.Error{Fault: channels.Rejected, Err: err}
	}
	defer func() {
		*buf = e.data
		c.buffers.Put(buf)
	}()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return channels.Receipt{}, &channels.Error{Fault: channels.Transient, Err: context.Cause(ctx)}
	}
	s, reused, err := c.get(ctx)
	if err != nil {
		return channels.Receipt{}, err
	}
	err = s.send(ctx, e)
	if reused && errors.Is(err, errStale) { // the server closed it while it was idle, and has heard nothing
		s.drop()
		if s, err = c.dial(ctx); err != nil {
			return channels.Receipt{}, err
		}
		err = s.send(ctx, e)
	}
	c.put(s)
	if err != nil {
		return channels.Receipt{}, c.fault(ctx, err, m.To)
	}
	return channels.Receipt{ProviderID: e.messageID}, nil
}

// get takes the connection that was used last, or dials.
func (c *Channel) get(ctx context.Context) (s *session, reused bool, err error) {
	c.mu.Lock()
	for n := len(c.idle); n > 0; n = len(c.idle) {
		s, c.idle = c.idle[n-1], c.idle[:n-1]
		if time.Since(s.used) < idleTimeout {
			c.mu.Unlock()
			return s, true, nil
		}
		s.drop()
	}
	c.mu.Unlock()
	s, err = c.dial(ctx)
	return s, false, err
}

// put keeps a connection that is fit for another message and closes any other.
func (c *Channel) put(s *session) {
	s.used = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.fit || c.closed {
		s.drop()
		return
	}
	c.idle = append(c.idle, s)
	if c.reaper == nil {
		c.reaper = time.AfterFunc(idleTimeout, c.reap)
	}
}

// reap closes connections that nobody used for a while.
func (c *Channel) reap() {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := c.idle[:0]
	for _, s := range c.idle {
		if time.Since(s.used) < idleTimeout {
			kept = append(kept, s)
			continue
		}
		s.quit()
	}
	clear(c.idle[len(kept):])
	c.idle, c.reaper = kept, nil
	if len(kept) > 0 && !c.closed {
		c.reaper = time.AfterFunc(idleTimeout, c.reap)
	}
}

// Close says goodbye on idle connections; those in use are closed when their message is through.
func (c *Channel) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.reaper != nil {
		c.reaper.Stop()
	}
	for _, s := range c.idle {
		s.quit()
	}
	c.idle = nil
	return nil
}

// dial connects, says EHLO, and changes to TLS and signs in where the URL says so. The error is a *channels.Error:
// nothing of a message was sent.
func (c *Channel) dial(ctx context.Context) (*session, error) {
	var raw atomic.Pointer[conn]
	dialer := func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		own := &conn{Conn: nc}
		raw.Store(own)
		if c.policy != "implicit" {
			return own, nil
		}
		secure := tls.Client(own, c.tlsConfig())
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, err
		}
		return secure, nil
	}
	// A client for each connection: go-mail's is not meant to be shared while it signs in.
	client, err := gomail.NewClient(c.host, c.options(dialer)...)
	if err != nil {
		return nil, &channels.Error{Fault: channels.Misconfigured, Err: err}
	}
	stop := context.AfterFunc(ctx, func() {
		if own := raw.Load(); own != nil {
			own.abort()
		}
	})
	smtpClient, err := client.DialToSMTPClientWithContext(ctx)
	stop()
	if err != nil {
		if own := raw.Load(); own != nil {
			_ = own.Close()
		}
		return nil, c.dialFault(ctx, err)
	}
	s := &session{client: smtpClient, raw: raw.Load(), timeout: c.cfg.Timeout, fit: true}
	s.pipelines, _ = smtpClient.Extension("PIPELINING")
	s.eightBit, _ = smtpClient.Extension("8BITMIME")
	return s, nil
}

func (c *Channel) options(dialer gomail.DialContextFunc) []gomail.Option {
	options := []gomail.Option{
		gomail.WithPort(c.port), gomail.WithTimeout(c.cfg.Timeout), gomail.WithTLSConfig(c.tlsConfig()),
		gomail.WithDialContextFunc(dialer), gomail.WithoutNoop(), gomail.WithoutRset(), gomail.WithoutSMTPUTF8(),
	}
	switch c.policy {
	case "implicit":
		options = append(options, gomail.WithSSL())
	case "none":
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	}
	if c.user != "" {
		options = append(options, gomail.WithSMTPAuthCustom(&login{
			user: c.user, password: c.password, host: c.host, plain: c.policy == "none",
		}))
	}
	return options
}

func (c *Channel) tlsConfig() *tls.Config {
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.cfg.TLS != nil {
		cfg = c.cfg.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = c.host
	}
	return cfg
}

// dialFault classes what happened before a message was begun.
func (c *Channel) dialFault(ctx context.Context, err error) *channels.Error {
	if cause := context.Cause(ctx); cause != nil {
		return &channels.Error{Fault: channels.Transient, Err: fmt.Errorf("connect: %w", cause)}
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		out := &channels.Error{Fault: channels.Misconfigured, Code: codeOf(reply), Err: fmt.Errorf("connect: %w", c.clean(reply, ""))}
		if reply.Code < 500 {
			out.Fault, out.RetryAfter = channels.Transient, throttleWait
		}
		return out
	}
	if isNetwork(err) {
		return &channels.Error{Fault: channels.Transient, Err: fmt.Errorf("connect: %w", err)}
	}
	return &channels.Error{Fault: channels.Misconfigured, Err: fmt.Errorf("connect: %w", err)}
}
