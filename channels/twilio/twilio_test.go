package twilio_test

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/channels/channeltest"
	"github.com/odziv/odziv/channels/twilio"
	"github.com/odziv/odziv/survey"
)

const (
	account = "AC0123456789abcdef0123456789abcdef"
	token   = "12345678901234567890123456789012"
)

func config() twilio.Config {
	return twilio.Config{AccountSID: account, AuthToken: token, From: "+385998765432"}
}

func TestContract(t *testing.T) {
	t.Parallel()
	channeltest.Run(t, "testdata/*.txtar", func(baseURL string) (channels.Channel, []string, error) {
		cfg := twilio.Config{BaseURL: baseURL, AccountSID: account, AuthToken: "tok-en_with.signs", From: "+385998765432"} //nolint:gosec // no real one
		c, err := twilio.New(cfg)
		return c, []string{cfg.AuthToken, cfg.AccountSID}, err
	})
}

func TestNew(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		cfg  twilio.Config
		want []string
	}{
		{"number", config(), nil},
		{"messaging service", twilio.Config{AccountSID: account, AuthToken: token, MessagingServiceSID: "MG1"}, nil},
		{"nothing", twilio.Config{BaseURL: "ftp://x"}, []string{"base_url", "account_sid", "auth_token", "from"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := twilio.New(tt.cfg)
			if (err == nil) != (len(tt.want) == 0) || (err == nil) != (c != nil) {
				t.Fatalf("New = %v, %v", c, err)
			}
			for _, field := range tt.want {
				if !strings.Contains(err.Error(), field+":") {
					t.Errorf("New: %q does not name %s", err, field)
				}
			}
		})
	}
}

func form(pairs ...string) url.Values {
	v := url.Values{}
	for pair := range slices.Chunk(pairs, 2) {
		v.Add(pair[0], pair[1])
	}
	return v
}

func inbound() url.Values {
	return form("AccountSid", account, "ApiVersion", "2010-04-01", "Body", "Odlično! 9", "From", "+385911234567",
		"MessageSid", "SM0123456789abcdef0123456789abcdef", "SmsMessageSid", "SM0123456789abcdef0123456789abcdef",
		"SmsSid", "SM0123456789abcdef0123456789abcdef", "NumMedia", "0", "NumSegments", "1", "SmsStatus", "received",
		"To", "+385998765432", "ToCountry", "HR")
}

func status() url.Values {
	return form("AccountSid", account, "ApiVersion", "2010-04-01", "ErrorCode", "30003", "From", "+385998765432",
		"MessageSid", "SM0123456789abcdef0123456789abcdef", "SmsSid", "SM0123456789abcdef0123456789abcdef",
		"MessageStatus", "undelivered", "SmsStatus", "undelivered", "To", "+385911234567")
}

func callback(endpoint, u, kind, body, signature string) channels.Callback {
	h := http.Header{}
	h.Set("Content-Type", kind)
	h.Set("X-Twilio-Signature", signature)
	return channels.Callback{URL: u, Endpoint: endpoint, Header: h, Body: []byte(body)}
}

const (
	formType  = "application/x-www-form-urlencoded; charset=UTF-8"
	inURL     = "https://gw.example.com/hooks/twilio/inbound?tenant=acme"
	stURL     = "https://gw.example.com/hooks/twilio/status"
	jsonURL   = "https://gw.example.com/hooks/twilio/json?bodySHA256=9069c7d7adf1d9386fde3667b96c019ec1764d66a5d1ba7d08eaf4b8a62f8f77"
	jsonBody  = `{"property":"value","n":1}`
	inSigned  = "sdrdGrfp41go3ru6jWkvJW3uQw0="
	stSigned  = "1Ne5npjdSuVpLtKwwOAU79OY1Ec="
	st443     = "vnevWALGSWoSFSlB18eulCoWKFY="
	jsSigned  = "kKLAPLIxAybXgkS8CRHvJmEnOj8="
	jsonMedia = "application/json"
)

// The first vectors were made with the vendor's own library (npm twilio 6.2.0).
func TestAuthenticate(t *testing.T) {
	t.Parallel()
	changed := inbound()
	changed.Set("Body", "Odlično! 1")
	repeated := form("MediaUrl", "b", "MediaUrl", "a", "MediaUrl", "a")
	tests := []struct {
		name string
		cb   channels.Callback
		ok   bool
	}{
		{"inbound", callback("inbound", inURL, formType, inbound().Encode(), inSigned), true},
		{"status", callback("status", stURL, formType, status().Encode(), stSigned), true},
		{"status signed with the port", callback("status", stURL, formType, status().Encode(), st443), true},
		{"called with the port, signed without", callback("status", "https://gw.example.com:443/hooks/twilio/status", formType, status().Encode(), stSigned), true},
		{"called with another port, signed without", callback("status", "https://gw.example.com:8443/hooks/twilio/status", formType, status().Encode(), stSigned), true},
		{"json", callback("", jsonURL, jsonMedia, jsonBody, jsSigned), true},
		{"repeated values count once", callback("inbound", stURL, formType, repeated.Encode(), twilio.Sign(token, stURL+"MediaUrlaMediaUrlb")), true},
		{"get", callback("inbound", inURL, "", "", twilio.Sign(token, inURL)), true},
		{"json, other body", callback("", jsonURL, jsonMedia, jsonBody+" ", jsSigned), false},
		{"json without a hash", callback("", stURL, jsonMedia, jsonBody, twilio.Sign(token, stURL)), false},
		{"other body", callback("inbound", inURL, formType, changed.Encode(), inSigned), false},
		{"other query", callback("inbound", inURL+"2", formType, inbound().Encode(), inSigned), false},
		{"other scheme", callback("status", "http://gw.example.com/hooks/twilio/status", formType, status().Encode(), stSigned), false},
		{"other token", callback("status", stURL, formType, status().Encode(), twilio.Sign("other", stURL+twilio.SignedForm(status()))), false},
		{"none", callback("status", stURL, formType, status().Encode(), ""), false},
		{"broken form", callback("status", stURL, formType, "a=%zz", stSigned), false},
	}
	c, err := twilio.New(config())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := c.Authenticate(tt.cb); (err == nil) != tt.ok || !tt.ok && !errors.Is(err, channels.ErrSignature) {
				t.Errorf("Authenticate = %v; want ok %t", err, tt.ok)
			}
		})
	}
}

func TestReadStatus(t *testing.T) {
	t.Parallel()
	const sid = "SM1"
	tests := []struct {
		word, code string
		status     survey.AttemptStatus // "" = no update
		fault      channels.Fault
	}{
		{"accepted", "", survey.AttemptAccepted, 0},
		{"scheduled", "", survey.AttemptAccepted, 0},
		{"queued", "", survey.AttemptAccepted, 0},
		{"sending", "", survey.AttemptAccepted, 0},
		{"sent", "", survey.AttemptSent, 0},
		{"partially_delivered", "", survey.AttemptSent, 0},
		{"delivered", "", survey.AttemptDelivered, 0},
		{"read", "", survey.AttemptRead, 0},
		{"undelivered", "30003", survey.AttemptFailed, channels.Transient},
		{"undelivered", "30005", survey.AttemptFailed, channels.Unreachable},
		{"undelivered", "30007", survey.AttemptFailed, channels.Rejected},
		{"failed", "21408", survey.AttemptFailed, channels.Rejected},
		{"failed", "21608", survey.AttemptFailed, channels.Rejected},
		{"failed", "21610", survey.AttemptFailed, channels.OptedOut},
		{"failed", "63018", survey.AttemptFailed, channels.Transient},
		{"failed", "30002", survey.AttemptFailed, channels.Misconfigured},
		{"failed", "99999", survey.AttemptFailed, channels.Rejected},
		{"failed", "", survey.AttemptFailed, channels.Rejected},
		{"canceled", "", survey.AttemptFailed, channels.Rejected},
		{"received", "", "", 0},
		{"teleported", "", "", 0},
		{"", "", "", 0},
	}
	c, err := twilio.New(config())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.word+tt.code, func(t *testing.T) {
			t.Parallel()
			body := form("MessageSid", sid, "MessageStatus", tt.word, "To", "whatsapp:+385911234567")
			if tt.code != "" {
				body.Set("ErrorCode", tt.code)
			}
			got, err := c.Read(callback("status", stURL+"?attempt=att_1", formType, body.Encode(), ""))
			if err != nil {
				t.Fatal(err)
			}
			var want []channels.Update
			if tt.status != "" {
				code := tt.code
				if tt.word == "canceled" {
					code = "canceled"
				}
				want = []channels.Update{{
					Type: channels.StatusUpdate, Key: sid + ":" + tt.word + ":" + tt.code + ":", ProviderID: sid, AttemptID: "att_1",
					Channel: survey.SMS, Status: tt.status, Fault: tt.fault, Code: code, From: "+385911234567",
				}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Read differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadInbound(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, to, body, optOut string
		kind                   string // "" = no update
		confirmed              bool
	}{
		{"score", "+385998765432", "9", "", channels.ReplyUpdate, false},
		{"empty", "+385998765432", "", "", channels.ReplyUpdate, false},
		{"stop by the messaging service", "+385998765432", "odjava", "STOP", channels.OptOutUpdate, true},
		{"stop by default", "+385998765432", " Stop ", "", channels.OptOutUpdate, true},
		{"cancel by default", "+385998765432", "CANCEL", "", channels.OptOutUpdate, true},
		{"stop in a sentence", "+385998765432", "stop it", "", channels.ReplyUpdate, false},
		{"two stop words", "+385998765432", "END QUIT", "", channels.ReplyUpdate, false},
		{"stop to a short code", "20212", "STOP", "", channels.ReplyUpdate, false},
		{"our own word", "+385998765432", "ODJAVA", "", channels.ReplyUpdate, false},
		{"start by the messaging service", "+385998765432", "prijava", "START", channels.OptInUpdate, true},
		{"start by default", "+385998765432", "unstop", "", channels.OptInUpdate, true},
		{"yes is an answer", "+385998765432", "YES", "", channels.ReplyUpdate, false},
		{"help", "+385998765432", "HELP", "HELP", "", false},
	}
	c, err := twilio.New(config())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := form("MessageSid", "SM2", "From", "+385911234567", "To", tt.to, "Body", tt.body)
			if tt.optOut != "" {
				body.Set("OptOutType", tt.optOut)
			}
			got, err := c.Read(callback("inbound", inURL, formType, body.Encode(), ""))
			if err != nil {
				t.Fatal(err)
			}
			var want []channels.Update
			if tt.kind != "" {
				want = []channels.Update{{
					Type: tt.kind, Key: "SM2", ProviderID: "SM2", Channel: survey.SMS, From: "+385911234567", Text: tt.body,
					Confirmed: tt.confirmed,
				}}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Read differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadOther(t *testing.T) {
	t.Parallel()
	c, err := twilio.New(config())
	if err != nil {
		t.Fatal(err)
	}
	for _, cb := range []channels.Callback{
		callback("", inURL, formType, inbound().Encode(), ""),
		callback("inbound", jsonURL, jsonMedia, jsonBody, ""),
		callback("inbound", inURL, formType, "Body=nobody", ""),
		callback("status", stURL, formType, "MessageStatus=sent", ""),
	} {
		if got, err := c.Read(cb); err != nil || len(got) != 0 {
			t.Errorf("Read(%s %s) = %v, %v; want nothing", cb.Endpoint, cb.Body, got, err)
		}
	}
	if _, err := c.Read(callback("inbound", inURL, formType, "a=%zz", "")); err == nil {
		t.Error("Read of a broken form: no error")
	}
	kind, body := c.Acknowledge(channels.Callback{})
	if kind != "text/xml" || string(body) != `<?xml version="1.0" encoding="UTF-8"?><Response/>` {
		t.Errorf("Acknowledge = %s %s", kind, body)
	}
}

func FuzzRead(f *testing.F) {
	f.Add("inbound", inURL, inbound().Encode(), inSigned)
	f.Add("status", stURL+"?attempt=att_1", status().Encode(), stSigned)
	f.Add("status", "https://[::1]:443", "MessageStatus=sent&MessageSid=%", "")
	c, err := twilio.New(config())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, endpoint, u, body, signature string) {
		cb := callback(endpoint, u, formType, body, signature)
		if err := c.Authenticate(cb); err != nil && !errors.Is(err, channels.ErrSignature) {
			t.Errorf("Authenticate: %v", err)
		}
		updates, err := c.Read(cb)
		if err != nil && len(updates) > 0 {
			t.Errorf("Read gave updates and an error: %v", err)
		}
		for _, up := range updates {
			if up.Type == channels.StatusUpdate && up.ProviderID == "" && up.AttemptID == "" {
				t.Errorf("status of nothing: %+v", up)
			}
			if up.Type != channels.StatusUpdate && up.From == "" {
				t.Errorf("reply of nobody: %+v", up)
			}
		}
	})
}
