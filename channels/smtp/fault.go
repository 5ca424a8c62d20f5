package smtp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/odziv/odziv/channels"
)

// How long to leave a server alone that named no time itself, which SMTP has no way to do.
const (
	throttleWait = 5 * time.Minute // rate limits, «try later»
	greylistWait = 10 * time.Minute
	fullWait     = 6 * time.Hour // a mailbox is full
	refusingWait = 24 * time.Hour
	maxReply     = 300 // bytes of the server's words that are kept
)

var enhanced = regexp.MustCompile(`\b([245])\.(\d{1,3})\.(\d{1,3})\b`)

// codeOf is the enhanced code if the reply begins with one, else the three digits.
//
// Source: RFC 3463, RFC 2034.
func codeOf(reply *textproto.Error) string {
	if at := enhanced.FindStringIndex(reply.Msg); at != nil && at[0] == 0 {
		return reply.Msg[:at[1]]
	}
	return strconv.Itoa(reply.Code)
}

// fault classes a transaction that failed.
func (c *Channel) fault(ctx context.Context, err error, to string) *channels.Error {
	stage := ""
	if e, ok := errors.AsType[*stageError](err); ok {
		stage = e.stage
	}
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		f, wait := classify(stage, reply.Code, reply.Msg)
		return &channels.Error{
			Fault: f, Code: codeOf(reply), RetryAfter: wait, Throttled: f == channels.Transient && wait == throttleWait, Err: fmt.Errorf("%s: %w", stage, c.clean(reply, to)),
		}
	}
	out := &channels.Error{Fault: channels.Transient, Err: err}
	if stage == stageDot {
		out.Fault = channels.Unconfirmed
	}
	if cause := context.Cause(ctx); cause != nil {
		out.Err = fmt.Errorf("%s: %w", stage, cause)
	} else if !isNetwork(err) { // words of the library may hold the address
		out.Err = fmt.Errorf("%s: connection is unusable", stage)
	}
	return out
}

// classify says what a refusal at a command means. The enhanced code outranks the three digits.
//
// Source: RFC 5321, section 4.2.3; RFC 3463; https://www.iana.org/assignments/smtp-enhanced-status-codes
func classify(stage string, code int, text string) (channels.Fault, time.Duration) {
	text = strings.ToLower(text)
	class, subject, detail := 0, -1, -1
	if m := enhanced.FindStringSubmatchIndex(text); m != nil && m[0] == 0 {
		class, _ = strconv.Atoi(text[m[2]:m[3]])
		subject, _ = strconv.Atoi(text[m[4]:m[5]])
		detail, _ = strconv.Atoi(text[m[6]:m[7]])
	}
	if class != 4 && class != 5 {
		class, subject, detail = code/100, -1, -1
	}
	if unauthenticated(subject, detail) || slices.Contains([]int{530, 534, 535, 538}, code) {
		return channels.Misconfigured, 0
	}
	if class == 4 {
		return channels.Transient, wait(subject, detail, text)
	}
	if f, d, known := byEnhanced(subject, detail, text); known {
		return f, d
	}
	return byCode(stage, code, text), 0
}

// unauthenticated: the sender's own SPF, DKIM, DMARC, TLS or PTR is at fault, whoever the recipient is.
func unauthenticated(subject, detail int) bool {
	return subject == 7 && (detail >= 20 && detail <= 27 || detail == 29 || detail == 30 || detail == 40 || detail == 515)
}

// wait is how long to leave a server alone after a transient refusal.
func wait(subject, detail int, text string) time.Duration {
	switch {
	case strings.Contains(text, "greylist"), strings.Contains(text, "graylist"), strings.Contains(text, "postgrey"):
		return greylistWait
	case subject == 7:
		return throttleWait
	case subject == 2 && detail == 2:
		return fullWait
	default:
		return 0
	}
}

func byEnhanced(subject, detail int, text string) (f channels.Fault, wait time.Duration, known bool) {
	switch [2]int{subject, detail} {
	case [2]int{1, 0}, [2]int{1, 1}, [2]int{1, 2}, [2]int{1, 3}, [2]int{1, 6}, [2]int{1, 10}, // no such mailbox or domain
		[2]int{4, 1}, [2]int{4, 4}, // no host, no MX
		[2]int{2, 0}, [2]int{2, 1}, [2]int{7, 13}: // mailbox disabled
		return channels.Unreachable, 0, true
	case [2]int{1, 7}, [2]int{1, 8}, [2]int{7, 8}: // the sender's address; credentials
		return channels.Misconfigured, 0, true
	case [2]int{2, 2}: // full: soft, though permanent by its digit
		return channels.Transient, fullWait, true
	case [2]int{3, 2}: // not accepting now
		return channels.Transient, refusingWait, true
	case [2]int{7, 1}:
		if strings.Contains(text, "relay") { // «relay access denied»: we are not let through at all
			return channels.Misconfigured, 0, true
		}
		return channels.Rejected, 0, true
	}
	if subject > 0 && subject != 1 {
		return channels.Rejected, 0, true
	}
	return 0, 0, false
}

// byCode is for replies without an enhanced code, or with one that says nothing.
func byCode(stage string, code int, text string) channels.Fault {
	if stage == stageMail {
		if code == 552 {
			return channels.Rejected
		}
		return channels.Misconfigured // the recipient was not named yet
	}
	if strings.Contains(text, "relay") {
		return channels.Misconfigured
	}
	for _, word := range []string{"spam", "block", "policy", "blacklist", "rbl", "client host", "reputation"} {
		if strings.Contains(text, word) {
			return channels.Rejected
		}
	}
	if code == 552 {
		return channels.Transient
	}
	if stage == stageRcpt && slices.Contains([]int{521, 550, 551, 553, 556}, code) {
		return channels.Unreachable
	}
	return channels.Rejected
}

// isNetwork reports whether err came from the connection: then it holds addresses of machines only.
func isNetwork(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return false
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

var anyAddress = regexp.MustCompile(`[^\s<>:;,"'()]*@[^\s<>:;,"'()]*`)

// clean is a reply without the people in it: servers repeat addresses, whole and by their local part.
func (c *Channel) clean(reply *textproto.Error, to string) error {
	text := anyAddress.ReplaceAllString(strings.Join(strings.Fields(reply.Msg), " "), "…")
	for _, secret := range []string{to, c.user, c.password} {
		local, _, _ := strings.Cut(secret, "@")
		if local != "" {
			text = regexp.MustCompile(`(?i)(^|\W)`+regexp.QuoteMeta(local)+`($|\W)`).ReplaceAllString(text, "$1…$2")
		}
	}
	if len(text) > maxReply {
		text = strings.ToValidUTF8(text[:maxReply], "")
	}
	return fmt.Errorf("%d %s", reply.Code, text)
}
