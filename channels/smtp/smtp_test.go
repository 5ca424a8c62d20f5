package smtp_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/channels/smtp"
	"github.com/odziv/odziv/survey"
)

func TestContract(t *testing.T) {
	t.Parallel()
	channeltest.RunSMTP(t, "testdata/*.txtar", func(baseURL string) (channels.Channel, []string, error) {
		c, err := smtp.New(smtp.Config{URL: baseURL + "?tls=none", From: "Trgovina <ankete@example.hr>"})
		return c, nil, err
	})
}

const from = "Trgovina Šećer <ankete@šećer.hr>"

func invitation() channels.Message {
	return channels.Message{
		AttemptID: "att_01K0000000000000000000000A", SendID: "snd_01K0000000000000000000000A", Kind: survey.Invitation,
		Mode: survey.Live, Channel: survey.Email, To: "ana.kovac@example.hr", ToName: "Ana Kovač",
		Subject: "Kako je prošla dostava?", Text: "Koliko ste zadovoljni?\nhttps://ask.example.hr/s/AbC\n",
		HTML: "<p>Koliko ste <b>zadovoljni</b>?</p>" + strings.Repeat("<i>č</i>", 400), Locale: "hr",
		UnsubscribeURL: "https://ask.example.hr/u/AbC",
	}
}

func sink(t *testing.T, cfg channeltest.SMTPConfig) *channeltest.SMTP {
	t.Helper()
	cfg.KeepRaw = true
	s, err := channeltest.NewSMTP(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func account(t *testing.T, s *channeltest.SMTP, cfg smtp.Config) *smtp.Channel {
	t.Helper()
	if cfg.URL == "" {
		cfg.URL = s.URL()
	}
	if cfg.From == "" {
		cfg.From = from
	}
	if s.Roots() != nil && cfg.TLS == nil {
		cfg.TLS = &tls.Config{RootCAs: s.Roots(), MinVersion: tls.VersionTLS12}
	}
	c, err := smtp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func noViolations(t *testing.T, s *channeltest.SMTP) {
	t.Helper()
	if list, n := s.Violations(); n > 0 {
		t.Errorf("%d violations: %q", n, list)
	}
}

func wantFault(t *testing.T, err error, f channels.Fault) *channels.Error {
	t.Helper()
	e, ok := errors.AsType[*channels.Error](err)
	if !ok || e.Fault != f {
		t.Fatalf("Send = %v; want %s", err, f)
	}
	return e
}

func TestNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  smtp.Config
		want []string
	}{
		{"full", smtp.Config{URL: "smtp://u:p%40ss@host:587?tls=starttls", From: from, ReplyTo: "a@b.hr", UnsubscribeMail: "u@b.hr"}, nil},
		{"least", smtp.Config{URL: "smtp://host", From: from}, nil},
		{"nothing", smtp.Config{}, []string{"url", "from"}},
		{"other scheme", smtp.Config{URL: "http://host", From: from}, []string{"url"}},
		{"other tls", smtp.Config{URL: "smtp://host?tls=maybe", From: from}, []string{"url"}},
		{"other option", smtp.Config{URL: "smtp://host?tsl=none", From: from}, []string{"url"}},
		{"port", smtp.Config{URL: "smtp://host:99999", From: from}, []string{"url"}},
		{"addresses", smtp.Config{URL: "smtp://host", From: "x", ReplyTo: "y", UnsubscribeMail: "z"}, []string{"from", "reply_to", "unsubscribe_mail"}},
		{"half a key", smtp.Config{URL: "smtp://host", From: from, DKIM: smtp.DKIM{Domain: "d"}}, []string{"dkim"}},
		{"no key file", smtp.Config{URL: "smtp://host", From: from, DKIM: smtp.DKIM{Domain: "d", Selector: "s", KeyFile: "testdata/none"}}, []string{"dkim"}},
		{"no key in it", smtp.Config{URL: "smtp://host", From: from, DKIM: smtp.DKIM{Domain: "d", Selector: "s", KeyFile: "smtp_test.go"}}, []string{"dkim"}},
		{"broken url with a password", smtp.Config{URL: "smtp://u:hunter2@ho st", From: from}, []string{"url"}}, //nolint:gosec // no real one
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := smtp.New(tt.cfg)
			if (err == nil) != (len(tt.want) == 0) || (err == nil) != (c != nil) {
				t.Fatalf("New = %v, %v", c, err)
			}
			for _, field := range tt.want {
				if !strings.Contains(err.Error(), field+":") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("New: %q does not name %s, or a password", err, field)
				}
			}
		})
	}
}

func TestMail(t *testing.T) {
	t.Parallel()
	s := sink(t, channeltest.SMTPConfig{})
	c := account(t, s, smtp.Config{ReplyTo: "Podrška <podrska@example.hr>", UnsubscribeMail: "odjava@example.hr"})
	receipt, err := c.Send(t.Context(), invitation())
	if err != nil {
		t.Fatal(err)
	}
	noViolations(t, s)
	got, ok := s.Last("ana.kovac@example.hr")
	const domain = "xn--eer-qpa26b.hr"
	if !ok || receipt.ProviderID != "<att_01K0000000000000000000000A@"+domain+">" || got.ID != receipt.ProviderID || got.From != "ankete@"+domain {
		t.Errorf("receipt %+v, got %s %s", receipt, got.ID, got.From)
	}
	if got.Subject != invitation().Subject || strings.TrimSpace(got.Text) != strings.ReplaceAll(strings.TrimSpace(invitation().Text), "\n", "\r\n") &&
		strings.TrimSpace(got.Text) != strings.TrimSpace(invitation().Text) || !strings.Contains(got.HTML, "<b>zadovoljni</b>") {
		t.Errorf("subject %q, text %q, html %q", got.Subject, got.Text, got.HTML)
	}
	head, _, _ := bytes.Cut(got.Raw, []byte("\r\n\r\n"))
	for _, want := range []string{
		"Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: OOF, AutoReply", "List-Id: <surveys." + domain + ">",
		"Feedback-ID: invitation:hr:live:odziv", "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
		"To: =?utf-8?q?Ana_Kova=C4=8D?= <ana.kovac@example.hr>", "Reply-To: =?utf-8?q?Podr=C5=A1ka?= <podrska@example.hr>",
	} {
		if !slices.Contains(strings.Split(string(head), "\r\n"), want) {
			t.Errorf("head has no line %q:\n%s", want, head)
		}
	}
	unfolded := strings.ReplaceAll(string(head), "\r\n ", " ")
	if !strings.Contains(unfolded, "List-Unsubscribe: <https://ask.example.hr/u/AbC>, <mailto:odjava@example.hr?subject=unsubscribe%20snd_01K0000000000000000000000A>") {
		t.Errorf("List-Unsubscribe is wrong:\n%s", unfolded)
	}
	for _, never := range []string{"User-Agent", "X-Mailer"} {
		if strings.Contains(unfolded, never) {
			t.Errorf("head has %s", never)
		}
	}
}

func TestMailForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*channels.Message)
		want   string // in the raw mail
		plain  bool
	}{
		{"text only", func(m *channels.Message) { m.HTML = "" }, "Content-Type: text/plain; charset=UTF-8", false},
		{"latin", func(*channels.Message) {}, "Content-Transfer-Encoding: quoted-printable", false},
		{"cyrillic", func(m *channels.Message) {
			m.Text = "Колико сте задовољни нашом доставом?"
		}, "Content-Transfer-Encoding: base64", false},
		{"demo on plain http", func(m *channels.Message) { m.UnsubscribeURL = "http://127.0.0.1:8080/u/AbC" }, "<http://127.0.0.1:8080/u/AbC>", false},
		{"no way out", func(m *channels.Message) { m.UnsubscribeURL = "" }, "Subject: ", true},
		{"international domain", func(m *channels.Message) { m.To = "ana@šećer.hr" }, "<ana@xn--eer-qpa26b.hr>", false},
		{"quoted name", func(m *channels.Message) { m.To = `"ana marija"@example.hr` }, `<"ana marija"@example.hr>`, false},
		{"header in the subject", func(m *channels.Message) { m.Subject = "a\r\nBcc: eva@example.hr" }, "Subject: =?UTF-8?q?a=0D=0ABcc:", false},
		{"header in the name", func(m *channels.Message) { m.ToName = "a\r\nBcc: eva@example.hr" }, "To: ", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sink(t, channeltest.SMTPConfig{Plain: tt.plain})
			m := invitation()
			tt.change(&m)
			if _, err := account(t, s, smtp.Config{}).Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			noViolations(t, s)
			raw := string(s.Received()[0].Raw)
			if !strings.Contains(raw, tt.want) {
				t.Errorf("mail has no %q:\n%s", tt.want, raw)
			}
			if regexp.MustCompile(`(?m)^Bcc`).MatchString(raw) {
				t.Errorf("a header was injected:\n%s", raw)
			}
		})
	}
}

func TestRefusedBeforeTheServerHears(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		change func(*channels.Message)
		fault  channels.Fault
	}{
		{"no address", func(m *channels.Message) { m.To = "ana" }, channels.Unreachable},
		{"international local part", func(m *channels.Message) { m.To = "čana@example.hr" }, channels.Unreachable},
		{"second recipient", func(m *channels.Message) { m.To = "ana@example.hr\r\nRCPT TO:<eva@example.hr>" }, channels.Unreachable},
		{"unsubscribe address", func(m *channels.Message) { m.UnsubscribeURL = "javascript:alert(1)" }, channels.Rejected},
		{"header in the unsubscribe address", func(m *channels.Message) { m.UnsubscribeURL = "https://x/\r\nBcc: eva@example.hr" }, channels.Rejected},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sink(t, channeltest.SMTPConfig{})
			m := invitation()
			tt.change(&m)
			_, err := account(t, s, smtp.Config{}).Send(t.Context(), m)
			wantFault(t, err, tt.fault)
			channeltest.CheckError(t, err, m.To)
			if s.Opened() != 0 {
				t.Errorf("%d connections were opened", s.Opened())
			}
		})
	}
}

func TestSecureConnections(t *testing.T) {
	t.Parallel()
	const user, password = "gate", "hunter2-Geheim"
	tests := []struct {
		name   string
		server channeltest.SMTPConfig
		change func(*smtp.Config)
		fault  string // "" = sent
	}{
		{"starttls", channeltest.SMTPConfig{TLS: true}, nil, ""},
		{"implicit", channeltest.SMTPConfig{Implicit: true}, nil, ""},
		{"starttls and password", channeltest.SMTPConfig{TLS: true, User: user, Password: password}, nil, ""},
		{"implicit and password", channeltest.SMTPConfig{Implicit: true, User: user, Password: password}, nil, ""},
		{"password in the clear, as the operator says", channeltest.SMTPConfig{User: user, Password: password}, nil, ""},
		{"wrong password", channeltest.SMTPConfig{TLS: true, User: user, Password: password}, func(c *smtp.Config) {
			c.URL = strings.Replace(c.URL, password, password+"x", 1)
		}, "misconfigured"},
		{"unknown certificate", channeltest.SMTPConfig{TLS: true}, func(c *smtp.Config) { c.TLS = &tls.Config{MinVersion: tls.VersionTLS12} }, "misconfigured"},
		{"unknown certificate, implicit", channeltest.SMTPConfig{Implicit: true}, func(c *smtp.Config) { c.TLS = &tls.Config{MinVersion: tls.VersionTLS12} }, "misconfigured"},
		{"no starttls", channeltest.SMTPConfig{}, func(c *smtp.Config) { c.URL = strings.Replace(c.URL, "tls=none", "tls=starttls", 1) }, "misconfigured"},
		{"no sign-in", channeltest.SMTPConfig{}, func(c *smtp.Config) { c.URL = strings.Replace(c.URL, "smtp://", "smtp://"+user+":"+password+"@", 1) }, "misconfigured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := sink(t, tt.server)
			cfg := smtp.Config{URL: s.URL()}
			if tt.change != nil {
				tt.change(&cfg)
			}
			c := account(t, s, cfg)
			for range 2 {
				_, err := c.Send(t.Context(), invitation())
				if tt.fault == "" {
					if err != nil {
						t.Fatal(err)
					}
					continue
				}
				if e, ok := errors.AsType[*channels.Error](err); !ok || e.Fault.String() != tt.fault {
					t.Fatalf("Send = %v; want %s", err, tt.fault)
				}
				channeltest.CheckError(t, err, password)
			}
			if tt.fault == "" {
				noViolations(t, s)
				if s.Opened() != 1 || s.Count() != 2 {
					t.Errorf("%d mails over %d connections; want 2 over 1", s.Count(), s.Opened())
				}
			}
		})
	}
}

func TestPool(t *testing.T) {
	t.Parallel()
	s := sink(t, channeltest.SMTPConfig{Faults: channeltest.Faults{Slow: 1, SlowBy: time.Millisecond}})
	c := account(t, s, smtp.Config{Concurrency: 4})
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			m := invitation()
			m.AttemptID = fmt.Sprintf("att_%d", i)
			if _, err := c.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	noViolations(t, s)
	if s.Count() != 100 || len(s.ByAttempt()) != 100 || s.Opened() > 4 {
		t.Errorf("%d mails, %d attempts, %d connections; want 100, 100, at most 4", s.Count(), len(s.ByAttempt()), s.Opened())
	}
}

// A server closes idle connections: the message goes over a new one, once.
func TestIdleConnectionClosed(t *testing.T) {
	t.Parallel()
	s := sink(t, channeltest.SMTPConfig{})
	c := account(t, s, smtp.Config{})
	for i := range 3 {
		if _, err := c.Send(t.Context(), invitation()); err != nil {
			t.Fatal(err)
		}
		if s.Count() != i+1 || s.Opened() != i+1 {
			t.Errorf("%d mails over %d connections; want %d over %d", s.Count(), s.Opened(), i+1, i+1)
		}
		s.Drop()
	}
	_ = s.Close()
	_, err := c.Send(t.Context(), invitation())
	wantFault(t, err, channels.Transient)
}

// After a refusal the connection carries the next message; after a broken one nothing is put back.
func TestConnectionAfterFault(t *testing.T) {
	t.Parallel()
	refuse := func(e *gosmtp.SMTPError) func(string) *gosmtp.SMTPError {
		return func(to string) *gosmtp.SMTPError {
			if strings.HasPrefix(to, "nobody") {
				return e
			}
			return nil
		}
	}
	s := sink(t, channeltest.SMTPConfig{Reply: refuse(&gosmtp.SMTPError{Code: 550, EnhancedCode: gosmtp.EnhancedCode{5, 1, 1}, Message: "nobody@example.hr unknown"})})
	c := account(t, s, smtp.Config{})
	for _, to := range []string{"ana@example.hr", "nobody@example.hr", "eva@example.hr", "nobody@example.hr", "ivo@example.hr"} {
		m := invitation()
		m.To = to
		_, err := c.Send(t.Context(), m)
		if (err != nil) != (to == "nobody@example.hr") {
			t.Fatalf("Send to %s = %v", to, err)
		}
		if err != nil {
			wantFault(t, err, channels.Unreachable)
			channeltest.CheckError(t, err, to)
		}
	}
	if s.Opened() != 1 || s.Count() != 3 {
		t.Errorf("%d mails over %d connections; want 3 over 1", s.Count(), s.Opened())
	}
	s.SetFaults(channeltest.Faults{Reset: 1})
	_, err := c.Send(t.Context(), invitation())
	wantFault(t, err, channels.Unconfirmed)
	s.SetFaults(channeltest.Faults{})
	if _, err := c.Send(t.Context(), invitation()); err != nil || s.Opened() != 2 {
		t.Errorf("Send = %v over connection %d; want the second", err, s.Opened())
	}
}

func TestSilentServer(t *testing.T) {
	t.Parallel()
	s := sink(t, channeltest.SMTPConfig{Faults: channeltest.Faults{Timeout: 1}})
	c := account(t, s, smtp.Config{Timeout: time.Second})
	_, err := c.Send(t.Context(), invitation())
	wantFault(t, err, channels.Unconfirmed)
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := sink(t, channeltest.SMTPConfig{Faults: channeltest.Faults{Timeout: 1}})
	c := account(t, s, smtp.Config{Concurrency: 1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := c.Send(ctx, invitation())
		done <- err
	}()
	if err := s.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	waiting, stop := context.WithCancel(t.Context()) // another message finds no connection free
	stop()
	_, err := c.Send(waiting, invitation())
	wantFault(t, err, channels.Transient)
	cancel()
	err = <-done
	wantFault(t, err, channels.Unconfirmed)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Send = %v; want the cause", err)
	}
	s.SetFaults(channeltest.Faults{})
	if _, err := c.Send(t.Context(), invitation()); err != nil || s.Opened() != 2 {
		t.Errorf("Send = %v over connection %d", err, s.Opened())
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	s := sink(t, channeltest.SMTPConfig{})
	c := account(t, s, smtp.Config{})
	if _, err := c.Send(t.Context(), invitation()); err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	_ = c.Close()
	if _, err := c.Send(t.Context(), invitation()); err != nil { // a message under way at shutdown still goes out
		t.Fatal(err)
	}
	if s.Opened() != 2 {
		t.Errorf("%d connections; want 2", s.Opened())
	}
}

// TestDKIM verifies the signature as RFC 6376 says, with code of its own.
func TestDKIM(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key.pem")
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	s := sink(t, channeltest.SMTPConfig{})
	c := account(t, s, smtp.Config{DKIM: smtp.DKIM{Domain: "example.hr", Selector: "odziv", KeyFile: file}, UnsubscribeMail: "odjava@example.hr"})
	var wg sync.WaitGroup
	for i := range 4 { // at once: the key is shared
		wg.Go(func() {
			m := invitation()
			m.To = fmt.Sprintf("ana%d@example.hr", i)
			if i%2 == 0 {
				m.HTML = ""
			}
			if _, err := c.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	noViolations(t, s)
	for _, r := range s.Received() {
		verifyDKIM(t, r.Raw, &key.PublicKey)
	}
}

var blanks = regexp.MustCompile(`[ \t]+`)

func verifyDKIM(t *testing.T, raw []byte, key *rsa.PublicKey) {
	t.Helper()
	head, body, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	var fields []string
	for line := range strings.SplitSeq(string(head), "\r\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			fields[len(fields)-1] += line
			continue
		}
		fields = append(fields, line)
	}
	relaxed := func(f string) string {
		name, value, _ := strings.Cut(f, ":")
		return strings.ToLower(strings.TrimSpace(name)) + ":" + strings.TrimSpace(blanks.ReplaceAllString(value, " "))
	}
	tags, signature := map[string]string{}, ""
	for _, f := range fields {
		if strings.HasPrefix(f, "DKIM-Signature:") {
			signature = f
			for tag := range strings.SplitSeq(strings.TrimPrefix(f, "DKIM-Signature:"), ";") {
				name, value, _ := strings.Cut(tag, "=")
				tags[strings.TrimSpace(name)] = blanks.ReplaceAllString(value, "")
			}
		}
	}
	if tags["c"] != "relaxed/relaxed" || tags["a"] != "rsa-sha256" || tags["d"] != "example.hr" || tags["s"] != "odziv" || tags["l"] != "" {
		t.Fatalf("tags %v", tags)
	}
	lines := strings.Split(string(body), "\r\n")
	for i := range lines {
		lines[i] = strings.TrimRight(blanks.ReplaceAllString(lines[i], " "), " ")
	}
	hash := sha256.Sum256([]byte(strings.TrimRight(strings.Join(lines, "\r\n"), "\r\n") + "\r\n"))
	if got := base64.StdEncoding.EncodeToString(hash[:]); got != tags["bh"] {
		t.Errorf("body hash %s; want %s", tags["bh"], got)
	}
	signed := strings.Split(strings.ToLower(tags["h"]), ":")
	for _, must := range []string{"from", "to", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post"} {
		if !slices.Contains(signed, must) {
			t.Errorf("h= has no %s", must)
		}
	}
	var text strings.Builder
	left := slices.Clone(fields)
	for _, name := range signed {
		for i, f := range slices.Backward(left) {
			if strings.HasPrefix(strings.ToLower(f), name+":") {
				text.WriteString(relaxed(f) + "\r\n")
				left = slices.Delete(left, i, i+1)
				break
			}
		}
	}
	text.WriteString(regexp.MustCompile(`([; ]b=)[^;]*`).ReplaceAllString(relaxed(signature), "$1"))
	want, err := base64.StdEncoding.DecodeString(tags["b"])
	if err != nil {
		t.Fatal(err)
	}
	hash = sha256.Sum256([]byte(text.String()))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, hash[:], want); err != nil {
		t.Errorf("signature: %v over\n%s", err, text.String())
	}
}
