package webhooks

import (
	"strconv"
	"strings"
)

const wooTopic = "X-Wc-Webhook-Topic"

type wooAddress struct {
	FirstName word `json:"first_name"`
	LastName  word `json:"last_name"`
	Email     word `json:"email"`
	Phone     word `json:"phone"`
	Country   word `json:"country"`
}

type wooMeta struct {
	Key   word `json:"key"`
	Value word `json:"value"`
}

type wooLine struct {
	SKU       word `json:"sku"`
	ProductID word `json:"product_id"`
}

// A wooOrder is an order of WooCommerce.
//
// Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#orders
type wooOrder struct {
	ID        word              `json:"id"`
	Number    word              `json:"number"`
	Status    word              `json:"status"`
	Currency  word              `json:"currency"`
	Total     word              `json:"total"`
	Created   word              `json:"date_created_gmt"` // without a zone
	Modified  word              `json:"date_modified_gmt"`
	Completed word              `json:"date_completed_gmt"`
	Customer  word              `json:"customer_id"` // 0 of a guest
	Billing   loose[wooAddress] `json:"billing"`
	Shipping  loose[wooAddress] `json:"shipping"`
	Meta      loose[[]wooMeta]  `json:"meta_data"`
	Lines     loose[[]wooLine]  `json:"line_items"`
}

// readWoo reads a webhook of WooCommerce: the type of the event is the status of the order. An order is told again
// with every change, so its event is the order in this status.
func readWoo(call shopCall) (notice, error) {
	n := notice{key: digest(call.body)}
	switch strings.ToLower(call.header.Get(wooTopic)) {
	case "order.created", "order.updated", "order.restored":
	default:
		n.ignored = "no event is made of this topic"
		return n, nil
	}
	var o wooOrder
	if err := decodeShop(call.body, &o); err != nil {
		return n, err
	}
	n.order = o.order()
	if err := identify(n.order.id); err != nil {
		return n, err
	}
	status := strings.ToLower(string(o.Status))
	if status == "" || len(status) > 40 || !extensionWord(status) {
		n.ignored = "the order has no status"
		return n, nil
	}
	n.key, n.order.kind = n.order.id+" "+status, "woocommerce."+status
	n.order.at = moment(o.Modified)
	if status == "completed" && o.Completed != "" {
		n.order.at = moment(o.Completed)
	}
	return n, nil
}

// extensionWord tells whether a status may be part of a type; plugins add their own.
func extensionWord(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

func (o wooOrder) order() order {
	b, s := o.Billing.is, o.Shipping.is
	out := order{
		id: string(o.ID), email: string(b.Email), country: first(b.Country, s.Country),
		name:   first(b.FirstName, s.FirstName) + " " + first(b.LastName, s.LastName),
		phones: []string{string(b.Phone), string(s.Phone)},
		attributes: map[string]string{
			"order": string(o.Number), "amount": string(o.Total), "currency": string(o.Currency),
		},
	}
	if o.Customer != "0" {
		out.customer = string(o.Customer)
	}
	for _, m := range o.Meta.is {
		switch m.Key {
		case "wpml_language", "pll_language", "_locale", "locale":
			if out.locale == "" {
				out.locale = string(m.Value)
			}
		}
	}
	if lines := o.Lines.is; len(lines) > 0 {
		out.attributes["product"], out.attributes["lines"] = first(lines[0].SKU, lines[0].ProductID), strconv.Itoa(len(lines))
	}
	return out
}
