package webhooks

import (
	"strconv"
	"strings"

	"github.com/odziv/odziv/survey"
)

const shopifyTopic = "X-Shopify-Topic"

type shopifyAddress struct {
	FirstName   word `json:"first_name"`
	LastName    word `json:"last_name"`
	Phone       word `json:"phone"`
	CountryCode word `json:"country_code"`
}

type shopifyConsent struct {
	State word `json:"state"`
}

type shopifyCustomer struct {
	ID             word                  `json:"id"`
	Email          word                  `json:"email"`
	Phone          word                  `json:"phone"`
	FirstName      word                  `json:"first_name"`
	LastName       word                  `json:"last_name"`
	DefaultAddress loose[shopifyAddress] `json:"default_address"`
	EmailMarketing loose[shopifyConsent] `json:"email_marketing_consent"`
	SMSMarketing   loose[shopifyConsent] `json:"sms_marketing_consent"`
}

type shopifyFulfillment struct {
	ShipmentStatus word `json:"shipment_status"`
	UpdatedAt      word `json:"updated_at"`
}

type shopifyLine struct {
	SKU       word `json:"sku"`
	ProductID word `json:"product_id"`
}

// A shopifyOrder is an order or, with OrderID and Destination, a fulfillment. All that tells who it is of is absent
// unless the app may see protected customer data.
//
// Source: https://shopify.dev/docs/api/admin-rest/latest/resources/order
type shopifyOrder struct {
	ID             word                        `json:"id"`
	OrderID        word                        `json:"order_id"` // of a fulfillment
	Name           word                        `json:"name"`
	Email          word                        `json:"email"`
	ContactEmail   word                        `json:"contact_email"`
	Phone          word                        `json:"phone"`
	CustomerLocale word                        `json:"customer_locale"`
	Currency       word                        `json:"currency"`
	TotalPrice     word                        `json:"total_price"`
	CreatedAt      word                        `json:"created_at"`
	UpdatedAt      word                        `json:"updated_at"`
	CancelledAt    word                        `json:"cancelled_at"`
	LocationID     word                        `json:"location_id"`
	SourceName     word                        `json:"source_name"`
	Test           word                        `json:"test"`
	ShipmentStatus word                        `json:"shipment_status"` // of a fulfillment
	Customer       loose[shopifyCustomer]      `json:"customer"`
	Billing        loose[shopifyAddress]       `json:"billing_address"`
	Shipping       loose[shopifyAddress]       `json:"shipping_address"`
	Destination    loose[shopifyAddress]       `json:"destination"` // of a fulfillment
	Fulfillments   loose[[]shopifyFulfillment] `json:"fulfillments"`
	Lines          loose[[]shopifyLine]        `json:"line_items"`
}

// readShopify reads a webhook of Shopify. Its headers are not signed: what they say decides nothing that the body
// does not bear out.
func readShopify(call shopCall) (notice, error) {
	topic := strings.ToLower(call.header.Get(shopifyTopic))
	n := notice{key: topic + " " + shopifyKey(call)}
	if strings.HasPrefix(topic, "customers/") || strings.HasPrefix(topic, "shop/") {
		return readCompliance(call, topic, n)
	}
	switch topic {
	case "orders/create", "orders/paid", "orders/fulfilled", "orders/partially_fulfilled", "orders/cancelled", "orders/updated", "fulfillments/update":
	default: // its body may be no order
		n.ignored = "no event is made of this topic"
		return n, nil
	}
	var o shopifyOrder
	if err := decodeShop(call.body, &o); err != nil {
		return n, err
	}
	n.order = o.order()
	if err := identify(n.order.id); err != nil {
		return n, err
	}
	switch topic {
	case "orders/create":
		n.order.kind, n.order.at = "shopify.created", moment(o.CreatedAt)
	case "orders/cancelled":
		n.order.kind, n.order.at = "shopify.cancelled", moment(word(first(o.CancelledAt, o.UpdatedAt)))
	case "orders/updated", "fulfillments/update":
		n.deliver(o)
	default: // paid, fulfilled, partially_fulfilled
		n.order.kind = "shopify." + strings.TrimPrefix(topic, "orders/")
	}
	return n, nil
}

// shopifyKey is the same for every repetition and every subscription of one event.
func shopifyKey(call shopCall) string {
	for _, name := range []string{"X-Shopify-Event-Id", "X-Shopify-Webhook-Id"} {
		if id := call.header.Get(name); identify(id) == nil {
			return id
		}
	}
	return digest(call.body)
}

// deliver tells a delivery from the many other changes.
func (n *notice) deliver(o shopifyOrder) {
	n.ignored = "nothing was delivered"
	for _, f := range append(o.Fulfillments.is, shopifyFulfillment{o.ShipmentStatus, o.UpdatedAt}) {
		if f.ShipmentStatus == "delivered" {
			n.ignored, n.order.kind, n.order.at = "", "shopify.delivered", moment(f.UpdatedAt)
		}
	}
}

func (o shopifyOrder) order() order {
	c, billing, shipping, to := o.Customer.is, o.Billing.is, o.Shipping.is, o.Destination.is
	home := c.DefaultAddress.is
	out := order{
		id: first(o.OrderID, o.ID), at: moment(o.UpdatedAt), customer: string(c.ID), email: first(o.Email, o.ContactEmail, c.Email),
		name:    first(c.FirstName, shipping.FirstName, billing.FirstName, to.FirstName) + " " + first(c.LastName, shipping.LastName, billing.LastName, to.LastName),
		country: first(shipping.CountryCode, to.CountryCode, billing.CountryCode, home.CountryCode),
		locale:  string(o.CustomerLocale), test: o.Test == "true",
		attributes: map[string]string{
			"order": string(o.Name), "amount": string(o.TotalPrice), "currency": string(o.Currency), "store": string(o.LocationID),
			"source": string(o.SourceName), "email_consent": string(c.EmailMarketing.is.State), "sms_consent": string(c.SMSMarketing.is.State),
		},
	}
	for _, p := range []word{o.Phone, shipping.Phone, to.Phone, billing.Phone, c.Phone, home.Phone} {
		if p != "" {
			out.phones = append(out.phones, string(p))
		}
	}
	if lines := o.Lines.is; len(lines) > 0 {
		out.attributes["product"], out.attributes["lines"] = first(lines[0].SKU, lines[0].ProductID), strconv.Itoa(len(lines))
	}
	return out
}

// readCompliance reads the three topics that every app has to serve.
//
// Source: https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance
func readCompliance(call shopCall, topic string, n notice) (notice, error) {
	var body struct {
		Domain   word                   `json:"shop_domain"`
		Customer loose[shopifyCustomer] `json:"customer"`
		Orders   loose[[]word]          `json:"orders_to_redact"`
	}
	if err := decodeShop(call.body, &body); err != nil {
		return n, err
	}
	n.ignored = topic
	switch {
	case topic == "customers/redact" && body.Domain != "" && body.Orders.is != nil: // an order under this topic is no request
		c := body.Customer.is
		who := survey.Recipient{Email: shopEmail(string(c.Email)), Phone: shopPhone(string(c.Phone), call.shop.Country)}
		if c.ID != "" && len(c.ID) <= maxShopID {
			who.ExternalID = call.id + ":" + string(c.ID)
		}
		if n.erase = &who; len(who.Identities()) == 0 {
			n.erase, n.person = nil, true
		}
	case topic == "customers/data_request", topic == "customers/redact", topic == "shop/redact":
		n.person = true
	}
	return n, nil
}
