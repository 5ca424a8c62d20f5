package templates

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"strings"
	"sync"

	"github.com/odziv/odziv/survey"
)

// What a link is good for: a token of one purpose opens nothing else.
const (
	PurposePage        = "s"
	PurposeUnsubscribe = "u"
)

// Links signs and opens the links in messages. A token is base64url of the 16 bytes of the send's id and the first 8
// bytes of HMAC-SHA256(secret, purpose ‖ id): nothing is stored, 32 characters fit an SMS, and guessing one takes 2⁶³
// requests. How long it is good is the send's affair. Safe for concurrent use.
type Links struct {
	public string
	secret []byte
	macs   sync.Pool // of hash.Hash: one that was used keeps what it made of the secret, half of the work
}

// URLs are the links of one send, as they stand in its messages. "" = none.
type URLs struct {
	Page        string
	Unsubscribe string
}

const tagSize = 8

// NewLinks makes links below publicURL. The secret is at least 16 random bytes, the same in every process.
func NewLinks(publicURL string, secret []byte) *Links {
	return &Links{public: strings.TrimRight(publicURL, "/"), secret: secret}
}

// Page is the customer's page of a send, "" when sendID is no id of a send.
func (l *Links) Page(sendID string) string { return l.url(PurposePage, sendID) }

// Unsubscribe is the page and one-click target (RFC 8058) of a send, "" when sendID is no id of a send.
func (l *Links) Unsubscribe(sendID string) string { return l.url(PurposeUnsubscribe, sendID) }

// URLs are both links of a send.
func (l *Links) URLs(sendID string) URLs {
	return URLs{Page: l.Page(sendID), Unsubscribe: l.Unsubscribe(sendID)}
}

func (l *Links) url(purpose, sendID string) string {
	token := l.Token(purpose, sendID)
	if token == "" {
		return ""
	}
	return l.public + "/" + purpose + "/" + token
}

// Token signs the id of a send for one purpose. "" when sendID is no id of a send.
func (l *Links) Token(purpose, sendID string) string {
	id, ok := survey.RawID(survey.SendPrefix, sendID)
	if !ok {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(id[:], l.tag(purpose, id)...))
}

// Open is the id of the send for which Token made this token, in constant time. ok is false for any other string.
func (l *Links) Open(purpose, token string) (sendID string, ok bool) {
	var id [16]byte
	if len(token) != base64.RawURLEncoding.EncodedLen(len(id)+tagSize) {
		return "", false
	}
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != len(id)+tagSize {
		return "", false
	}
	copy(id[:], raw)
	if !hmac.Equal(raw[len(id):], l.tag(purpose, id)) {
		return "", false
	}
	return survey.IDOf(survey.SendPrefix, id), true
}

func (l *Links) tag(purpose string, id [16]byte) []byte {
	mac, ok := l.macs.Get().(hash.Hash)
	if !ok {
		mac = hmac.New(sha256.New, l.secret)
	}
	mac.Reset()
	var text [32]byte
	_, _ = mac.Write(append(append(append(text[:0], purpose...), 0), id[:]...)) // with 0 purposes of any length cannot run into the id
	sum := mac.Sum(nil)[:tagSize]
	l.macs.Put(mac)
	return sum
}
