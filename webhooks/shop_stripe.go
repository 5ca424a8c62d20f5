package webhooks

import (
	"strings"
	"time"
)

type stripeAddress struct {
	Country word `json:"country"`
}

type stripeDetails struct {
	Email   word                 `json:"email"`
	Phone   word                 `json:"phone"` // only with phone_number_collection
	Name    word                 `json:"name"`
	Address loose[stripeAddress] `json:"address"`
}

// A stripeObject is a checkout session or an invoice.
//
// Source: https://docs.stripe.com/api/checkout/sessions/object, https://docs.stripe.com/api/invoices/object
type stripeObject struct {
	ID              word                   `json:"id"`
	Customer        word                   `json:"customer"`
	Details         loose[stripeDetails]   `json:"customer_details"` // of a session
	CustomerEmail   word                   `json:"customer_email"`   // of an invoice, as the three below
	CustomerPhone   word                   `json:"customer_phone"`
	CustomerName    word                   `json:"customer_name"`
	CustomerAddress loose[stripeAddress]   `json:"customer_address"`
	Locale          word                   `json:"locale"` // may be auto
	Reference       word                   `json:"client_reference_id"`
	Number          word                   `json:"number"`
	PaymentStatus   word                   `json:"payment_status"`
	AmountTotal     word                   `json:"amount_total"` // in the least unit of the currency, as AmountPaid
	AmountPaid      word                   `json:"amount_paid"`
	Currency        word                   `json:"currency"`
	Metadata        loose[map[string]word] `json:"metadata"`
}

type stripeEvent struct {
	ID       word         `json:"id"`
	Object   word         `json:"object"`
	Type     word         `json:"type"`
	Created  loose[int64] `json:"created"` // Unix seconds
	Livemode word         `json:"livemode"`
	Data     loose[struct {
		Object loose[stripeObject] `json:"object"`
	}] `json:"data"`
}

// readStripe reads a webhook of Stripe. What is not surely of the live mode is a test.
func readStripe(call shopCall) (notice, error) {
	var e stripeEvent
	if err := decodeShop(call.body, &e); err != nil {
		return notice{}, err
	}
	if err := identify(string(e.ID)); err != nil {
		return notice{}, err
	}
	n := notice{key: string(e.ID)}
	o := e.Data.is.Object.is
	switch {
	case e.Object != "event":
		n.ignored = "thin events name no customer; subscribe to snapshot events"
		return n, nil
	case e.Type == "checkout.session.completed" || e.Type == "checkout.session.async_payment_succeeded":
		if o.PaymentStatus != "paid" && o.PaymentStatus != "no_payment_required" {
			n.ignored = "it is not paid yet"
		}
		n.order = o.order()
		n.order.kind = "stripe.checkout.completed"
	case e.Type == "invoice.paid":
		n.order = o.order()
		n.order.kind = "stripe.invoice.paid"
	default:
		n.ignored = "no event is made of this type"
		return n, nil
	}
	if err := identify(n.order.id); err != nil {
		return n, err
	}
	n.order.test = e.Livemode != "true"
	if at := e.Created.is; at > 0 && at < 1<<33 {
		n.order.at = time.Unix(at, 0).UTC()
	}
	return n, nil
}

func (o stripeObject) order() order {
	d := o.Details.is
	out := order{
		id: string(o.ID), customer: string(o.Customer), email: first(d.Email, o.CustomerEmail), name: first(d.Name, o.CustomerName),
		phones: []string{first(d.Phone, o.CustomerPhone)}, country: first(d.Address.is.Country, o.CustomerAddress.is.Country),
		attributes: map[string]string{
			"order": first(o.Reference, o.Number), "currency": strings.ToUpper(string(o.Currency)),
			"amount": money(first(o.AmountTotal, o.AmountPaid), string(o.Currency)),
		},
	}
	if o.Locale != "auto" {
		out.locale = string(o.Locale)
	}
	out.extra = make(map[string]string, len(o.Metadata.is))
	for name, value := range o.Metadata.is {
		out.extra[name] = string(value)
	}
	return out
}

// money writes an amount in the least unit of its currency as a decimal, "" when it is none.
//
// Source: https://docs.stripe.com/currencies#zero-decimal
func money(least, currency string) string {
	if least == "" || len(least) > 18 || strings.Trim(least, "0123456789") != "" {
		return ""
	}
	places := 2
	switch strings.ToLower(currency) {
	case "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf":
		return least
	case "bhd", "jod", "kwd", "omr", "tnd":
		places = 3
	}
	if short := places + 1 - len(least); short > 0 {
		least = strings.Repeat("0", short) + least
	}
	return least[:len(least)-places] + "." + least[len(least)-places:]
}
