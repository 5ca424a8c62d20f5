package webhooks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/odziv/odziv/channels"
)

// stripeTolerance is how far Stripe's clock and ours may be apart, in either direction.
const stripeTolerance = 300 * time.Second

// errStale says that a signature is too old, or from the future.
var errStale = errors.New("the time of the signature is more than 300 s away from ours: check the clock of this machine")

// verify checks the signature over the raw body, with either secret.
//
// Sources: https://shopify.dev/docs/apps/build/webhooks/subscribe/https,
// https://woocommerce.github.io/woocommerce-rest-api-docs/#webhooks, https://docs.stripe.com/webhooks/signature
func verify(call shopCall) error {
	err := channels.ErrSignature
	for _, secret := range []string{call.shop.Secret, call.shop.PreviousSecret} {
		if secret == "" {
			continue
		}
		var fault error
		switch call.shop.Kind {
		case Shopify:
			fault = verifyBase64(secret, call.header.Get("X-Shopify-Hmac-Sha256"), call.body)
		case WooCommerce:
			fault = verifyBase64(secret, call.header.Get("X-Wc-Webhook-Signature"), call.body)
		case Stripe:
			fault = verifyStripe(secret, call.header.Get("Stripe-Signature"), call.body, call.now)
		default:
			fault = channels.ErrSignature
		}
		if fault == nil {
			return nil
		}
		if errors.Is(fault, errStale) {
			err = fault // says more than that the other secret does not match
		}
	}
	return err
}

func mac(secret string, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, []byte(secret))
	for _, p := range parts {
		_, _ = h.Write(p) // a hash takes everything
	}
	return h.Sum(nil)
}

func verifyBase64(secret, signature string, body []byte) error {
	given, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || !hmac.Equal(given, mac(secret, body)) {
		return channels.ErrSignature
	}
	return nil
}

// verifyStripe reads t=…,v1=…,v1=…: any v1 may match. Its other versions are passed over.
func verifyStripe(secret, signature string, body []byte, now time.Time) error {
	stamp, signed := "", [][]byte(nil)
	for part := range strings.SplitSeq(signature, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "t":
			stamp = value
		case "v1":
			if sum, err := hex.DecodeString(value); err == nil {
				signed = append(signed, sum)
			}
		}
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return channels.ErrSignature
	}
	want, matches := mac(secret, []byte(stamp), []byte("."), body), false
	for _, sum := range signed {
		matches = hmac.Equal(sum, want) || matches
	}
	if !matches {
		return channels.ErrSignature
	}
	if age := now.Sub(time.Unix(seconds, 0)); age > stripeTolerance || age < -stripeTolerance {
		return errStale
	}
	return nil
}

// ping tells WooCommerce's test of a new webhook, a form without a topic. It may be unsigned, and nothing follows.
func ping(call shopCall) bool {
	return call.shop.Kind == WooCommerce && call.header.Get(wooTopic) == "" && bytes.HasPrefix(call.body, []byte("webhook_id="))
}
