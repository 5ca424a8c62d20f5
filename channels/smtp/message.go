package smtp

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"golang.org/x/net/idna"

	"github.com/odziv/odziv/channels"
)

// An envelope is a message ready for the wire.
type envelope struct {
	from, to  string // with their angle brackets
	messageID string
	data      []byte // what follows DATA, with the line that ends it
}

// build renders m into the room of buf. What the server gets was whole before the first command.
func (c *Channel) build(buf []byte, m channels.Message, to mail.Address) (envelope, error) {
	ways, err := c.unsubscribe(m)
	if err != nil {
		return envelope{}, err
	}
	to.Name = m.ToName
	id := "<" + m.AttemptID + "@" + c.domain + ">"
	encoding := gomail.EncodingQP
	if mostlyForeign(m.Text) {
		encoding = gomail.EncodingB64
	}
	f, err := c.frames.of(frameKey{m.Kind, m.Mode, m.Locale, encoding, m.HTML != "", m.UnsubscribeURL != ""}, c.whole)
	if err != nil {
		return envelope{}, err
	}
	data := appendField(buf[:0], "Date", time.Now().Format(time.RFC1123Z))
	data = appendField(data, "Message-ID", id)
	data = appendField(data, "To", to.String())
	data = appendField(data, "Subject", encodedWords(encoding, m.Subject))
	if ways != "" {
		data = appendField(data, "List-Unsubscribe", encodedWords(encoding, ways))
	}
	data = f.fill(data, m.Text, m.HTML)
	if data, err = c.sign(data); err != nil {
		return envelope{}, err
	}
	return envelope{from: c.from.Address, to: to.Address, messageID: id, data: finishData(data)}.bracketed(), nil
}

// whole is a message as go-mail makes it from nothing.
func (c *Channel) whole(m channels.Message, to mail.Address, encoding gomail.Encoding, boundary string) ([]byte, error) {
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(encoding), gomail.WithBoundary(boundary))
	from := c.from
	msg.FromMailAddress(&from)
	msg.ToMailAddress(&to)
	if c.replyTo != nil {
		replyTo := *c.replyTo
		msg.ReplyToMailAddress(&replyTo)
	}
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.AttemptID + "@" + c.domain)
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetGenHeader("X-Auto-Response-Suppress", "OOF, AutoReply")
	msg.SetGenHeader("List-Id", "<surveys."+c.domain+">")
	msg.SetGenHeader("Feedback-ID", feedbackID(m))
	if m.UnsubscribeURL != "" {
		msg.SetGenHeader("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
	}
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return nil, fmt.Errorf("build message: %w", err)
	}
	return out.Bytes(), nil
}

// sign puts a DKIM-Signature above the message. go-mail 0.8.1 breaks a long h= in the middle of a name when it writes the
// header, though not when it signs it, so that no verifier agrees: its lines are joined and broken again between tags,
// where a blank is signed too.
//
// Source: RFC 6376, section 3.4.2.
func (c *Channel) sign(data []byte) ([]byte, error) {
	if c.key == nil {
		return data, nil
	}
	head, body, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	header, err := signer(c.cfg.DKIM, c.key).Sign(append(bytes.Clone(head), "\r\n"...), body)
	if err != nil {
		return nil, fmt.Errorf("sign message: %w", err)
	}
	header = strings.ReplaceAll(strings.TrimSuffix(header, "\r\n"), "\r\n ", "")
	header = strings.ReplaceAll(header, "; ", ";\r\n ")
	return append([]byte(header+"\r\n"), data...), nil
}

// bracketed quotes a local part that needs it, as RFC 5321, section 4.1.2 has it.
func (e envelope) bracketed() envelope {
	e.from = (&mail.Address{Address: e.from}).String()
	e.to = (&mail.Address{Address: e.to}).String()
	return e
}

// unsubscribe is List-Unsubscribe, as RFC 2369 and RFC 8058 have it; "" = there is no way. go-mail's own function wants
// https, which a demo on this machine has not.
func (c *Channel) unsubscribe(m channels.Message) (string, error) {
	ways := ""
	if m.UnsubscribeURL != "" {
		u, err := url.Parse(m.UnsubscribeURL)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || strings.ContainsAny(m.UnsubscribeURL, "<>, \t\r\n") {
			return "", errors.New("unsubscribe address is no http or https URL")
		}
		ways = "<" + m.UnsubscribeURL + ">"
	}
	if c.cfg.UnsubscribeMail != "" {
		if ways != "" {
			ways += ", "
		}
		ways += "<mailto:" + c.cfg.UnsubscribeMail + "?subject=unsubscribe%20" + url.QueryEscape(m.SendID) + ">"
	}
	return ways, nil
}

// feedbackID groups complaints in Gmail's reports: kind, locale and mode; nothing of a person.
func feedbackID(m channels.Message) string {
	field := func(s string) string { return strings.ReplaceAll(s, ":", ".") }
	return strings.Join([]string{field(string(m.Kind)), field(m.Locale), field(string(m.Mode)), "odziv"}, ":")
}

// signer is a new one for each message: go-mail's settles its algorithm while it signs.
func signer(d DKIM, key crypto.Signer) *gomail.DKIMSigner {
	s := gomail.NewDKIMSigner(d.Domain, d.Selector, key)
	// Without the List-Unsubscribe pair one-click means nothing (RFC 8058, section 4).
	s.SignHeaders("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
		"List-Unsubscribe", "List-Unsubscribe-Post", "List-Id", "Auto-Submitted", "Feedback-ID")
	s.OversignHeaders("From", "To", "Subject", "Reply-To", "List-Unsubscribe", "List-Unsubscribe-Post")
	return s
}

// mostlyForeign reports whether more than a third of s is not ASCII: then base64 is the shorter encoding.
func mostlyForeign(s string) bool {
	foreign, all := 0, 0
	for _, r := range s {
		all++
		if r > 0x7f {
			foreign++
		}
	}
	return foreign*3 > all
}

// What an address may lack. They name no address.
var (
	errAddress  = errors.New("address is not of the form name@domain")
	errLocal    = errors.New("address has letters before the @ that are not ASCII, which few servers take")
	errIDN      = errors.New("domain of the address is not a valid name")
	errTooLong  = errors.New("address is longer than 254 characters")
	errNoDomain = errors.New("domain of the address has no dot")
)

// parseAddress reads «Name <local@domain>» or «local@domain» and brings the domain to ASCII.
//
// Source: RFC 5321, sections 4.1.2 and 4.5.3.1; RFC 5890.
func parseAddress(s string) (*mail.Address, error) {
	a, err := mail.ParseAddress(s)
	if err != nil {
		return nil, errAddress
	}
	i := strings.LastIndexByte(a.Address, '@')
	if i < 1 {
		return nil, errAddress
	}
	local, domain := a.Address[:i], a.Address[i+1:]
	for _, r := range local {
		if r > 0x7e || r < 0x20 {
			return nil, errLocal
		}
	}
	domain, err = idna.Lookup.ToASCII(domain)
	if err != nil || domain == "" || strings.ContainsAny(domain, "[]") {
		return nil, errIDN
	}
	if !strings.Contains(strings.Trim(domain, "."), ".") && domain != "localhost" {
		return nil, errNoDomain
	}
	a.Address = local + "@" + domain
	if len(a.Address) > 254 || len(local) > 64 {
		return nil, errTooLong
	}
	return a, nil
}

func domainOf(address string) string { return address[strings.LastIndexByte(address, '@')+1:] }
