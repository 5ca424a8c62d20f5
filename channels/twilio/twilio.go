// Package twilio sends SMS through Twilio's Messages resource and reads what Twilio calls back.
//
// Source: https://www.twilio.com/docs/messaging/api/message-resource
package twilio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// defaultBaseURL is where Twilio is.
const defaultBaseURL = "https://api.twilio.com"

// A Config is one Twilio number or messaging service.
type Config struct {
	BaseURL             string // "" = https://api.twilio.com
	AccountSID          string // AC…
	AuthToken           string // of the account: it also signs callbacks
	From                string // E.164, short code or alphanumeric sender
	MessagingServiceSID string // MG…; it or From is needed
	Connections         int    // kept open; 0 = 64
}

// A Channel is one Twilio sender.
type Channel struct {
	cfg  Config
	base *url.URL
	http *http.Client
}

var _ interface {
	channels.Channel
	channels.Receiver
	channels.Endpointer
	channels.Finder
	channels.Counter
} = (*Channel)(nil)

// New gives the sender of cfg, or an error that names every field at fault.
func New(cfg Config) (*Channel, error) {
	if cfg.BaseURL == "" {
		cfg.BaseURL = defaultBaseURL
	}
	var faults []error
	base, err := url.Parse(cfg.BaseURL)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") {
		faults = append(faults, errors.New("base_url: not an http or https URL"))
	}
	if cfg.AccountSID == "" {
		faults = append(faults, errors.New("account_sid: missing"))
	}
	if cfg.AuthToken == "" {
		faults = append(faults, errors.New("auth_token: missing"))
	}
	if cfg.From == "" && cfg.MessagingServiceSID == "" {
		faults = append(faults, errors.New("from: missing, and no messaging_service_sid instead"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Channel{cfg: cfg, base: base, http: channels.NewHTTPClient(cfg.Connections)}, nil
}

// Close gives back idle connections.
func (c *Channel) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// Send makes one attempt. Buttons are not shown: SMS has none.
func (c *Channel) Send(ctx context.Context, m channels.Message) (channels.Receipt, error) {
	params := new(api.CreateMessageParams).SetTo(m.To).SetBody(m.Text).SetSmartEncoded(false)
	if c.cfg.From != "" {
		params.SetFrom(c.cfg.From)
	}
	if c.cfg.MessagingServiceSID != "" {
		params.SetMessagingServiceSid(c.cfg.MessagingServiceSID)
	}
	if m.StatusURL != "" {
		params.SetStatusCallback(m.StatusURL)
	}
	x := &call{ctx: ctx, c: c}
	msg, err := x.api().CreateMessage(params)
	switch {
	case x.err != nil:
		return channels.Receipt{}, x.err
	case x.answer.Status >= 300: // for the library a redirect is a success
		return channels.Receipt{}, x.fault(err)
	case err != nil || msg.Sid == nil || *msg.Sid == "":
		return channels.Receipt{}, &channels.Error{Err: fmt.Errorf("answer %d without a message sid", x.answer.Status)}
	}
	receipt := channels.Receipt{ProviderID: *msg.Sid}
	if msg.NumSegments != nil {
		receipt.Segments, _ = strconv.Atoi(*msg.NumSegments)
	}
	return receipt, nil
}

// A call binds one call of the library, which knows no context and loses response headers, to one exchange.
type call struct {
	ctx    context.Context //nolint:containedctx // the library takes none: client.SendRequest uses context.Background
	c      *Channel
	answer channels.Answer
	err    error // of Exchange
}

// api is the library over this call. Its own environment variables for edge and region are not read: base_url says it.
func (x *call) api() *api.ApiService {
	base := &client.Client{Credentials: client.NewCredentials("", ""), HTTPClient: &http.Client{Transport: x}}
	base.SetAccountSid(x.c.cfg.AccountSID)
	return api.NewApiService(&client.RequestHandler{Client: base})
}

// RoundTrip sends the request to the configured host, under the caller's context and with the credentials, which the
// library would refuse if they held anything but letters and digits. The body is read here, because the library leaves
// it unread, and the connection lost, when it is no JSON.
func (x *call) RoundTrip(r *http.Request) (*http.Response, error) {
	req := r.Clone(x.ctx)
	req.URL.Scheme, req.URL.Host, req.Host = x.c.base.Scheme, x.c.base.Host, ""
	req.URL.Path = strings.TrimSuffix(x.c.base.Path, "/") + req.URL.Path
	req.SetBasicAuth(x.c.cfg.AccountSID, x.c.cfg.AuthToken)
	req.RequestURI = ""
	x.answer, x.err = channels.Exchange(x.c.http, req)
	if x.err != nil {
		return nil, x.err
	}
	return &http.Response{
		Status: http.StatusText(x.answer.Status), StatusCode: x.answer.Status, Header: http.Header{}, Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Body: io.NopCloser(bytes.NewReader(x.answer.Body)), ContentLength: int64(len(x.answer.Body)),
	}, nil
}

// fault is what an answer other than success says. Twilio's message is left out: it repeats the recipient's number.
func (x *call) fault(err error) *channels.Error {
	out := &channels.Error{
		Fault: x.answer.Fault(), RetryAfter: x.answer.RetryAfter(time.Now()), Throttled: x.answer.Throttled(),
		Err: fmt.Errorf("answer %d", x.answer.Status),
	}
	rest, ok := errors.AsType[*client.TwilioRestError](err)
	if !ok || rest.Code == 0 {
		return out
	}
	out.Code = strconv.Itoa(rest.Code)
	out.Throttled = out.Throttled || throttles(rest.Code)
	if f, known := faultOf(rest.Code); known {
		out.Fault = f
	} else if x.answer.Status >= http.StatusInternalServerError {
		out.Fault = channels.Transient // Twilio itself says that it failed
	}
	return out
}

// throttles reports whether a code asks for fewer messages: too many requests, full queues, a carrier's cap.
func throttles(code int) bool {
	switch code {
	case 20429, 21611, 30001, 30022, 63018, 63038:
		return true
	default:
		return false
	}
}

// Units is the number of segments that Twilio counts and charges.
func (c *Channel) Units(m channels.Message) int { return survey.Segments(m.Text).Count }

// faultOf classes Twilio's error codes, of answers and of status callbacks.
//
// Source: https://www.twilio.com/docs/api/errors
func faultOf(code int) (f channels.Fault, known bool) {
	switch code {
	case 20003, 20005, 20404, // credentials, account
		21212, 21603, 21606, 21659, 21609, // sender, status callback
		21701, 21703, 21704, 21705, // messaging service
		30002, 30010, 30018, 30024, 30032, 30034, // account, price, registrations
		63007:
		return channels.Misconfigured, true
	case 20429, 20500, 20503, // too many requests: not processed; failures of Twilio
		21611, 35125, 30001, // queues are full
		30003, 30008, 30009, 30017, // handset off, unknown, lost segment, congestion
		30022, 30023, 30027, // carriers' caps
		63017, 63018, 63038:
		return channels.Transient, true
	case 21211, 21214, 21612, 21614, // no number, not reachable, no mobile
		30004, 30005, 30006, // blocked, unknown, landline
		63003, 63024, 63036:
		return channels.Unreachable, true
	case 21610, // STOP is on file
		63014, 63033: // blocked by the person
		return channels.OptedOut, true
	case 20001, 21602, 21604, 21617, 21619, 21655, 21656, // the message itself
		21408, 21608, // of this recipient only: region not enabled, not verified for a trial account
		30007, 30011, 30019, // filtered, too large
		30450, 30453, 30454, 30485, // fraud guards
		35114, 35115, 35117,
		63005, 63013, 63016, 63021, 63032: // policies of WhatsApp
		return channels.Rejected, true
	default:
		return 0, false
	}
}
