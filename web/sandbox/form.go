package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/survey"
)

// body is what was posted, as it came: what is compressed has no limit when it is inflated.
func body(c *fiber.Ctx) ([]byte, error) {
	if c.Get(fiber.HeaderContentEncoding) != "" {
		return nil, fiber.NewError(http.StatusUnsupportedMediaType, "content encodings are not taken here")
	}
	b := c.BodyRaw()
	if len(b) > maxBody {
		return nil, fiber.ErrRequestEntityTooLarge
	}
	return b, nil
}

func decodeForm(c *fiber.Ctx) (url.Values, error) {
	b, err := body(c)
	if err != nil {
		return nil, err
	}
	return parseForm(b)
}

func parseForm(b []byte) (url.Values, error) {
	v, err := url.ParseQuery(string(b))
	if err != nil {
		return nil, fiber.NewError(http.StatusBadRequest, "the form cannot be read")
	}
	for _, list := range v {
		for i, s := range list {
			list[i] = strings.ToValidUTF8(s, "\uFFFD")
		}
	}
	return v, nil
}

// decodeReply reads a reply in JSON or as a form. curl says «form» of everything, so an object is JSON by whatever name
// it comes.
func decodeReply(c *fiber.Ctx) (text string, button int, isForm bool, err error) {
	b, err := body(c)
	if err != nil {
		return "", -1, false, err
	}
	kind, _, _ := strings.Cut(c.Get(fiber.HeaderContentType), ";")
	isForm = strings.TrimSpace(kind) == fiber.MIMEApplicationForm && !bytes.HasPrefix(bytes.TrimSpace(b), []byte("{"))
	if isForm {
		text, button, err = parseReplyForm(b)
	} else {
		text, button, err = parseReply(b)
	}
	return text, button, isForm, err
}

func parseReplyForm(b []byte) (text string, button int, err error) {
	v, err := parseForm(b)
	if err != nil {
		return "", -1, err
	}
	if !v.Has("button") {
		return v.Get("text"), -1, nil
	}
	n, err := strconv.Atoi(v.Get("button"))
	if err != nil || n < 0 {
		return "", -1, badButton()
	}
	return "", n, nil
}

func badButton() error {
	return survey.InvalidError{{Pointer: "/button", Code: "wrong_type", Detail: "button is the index of a button of the message, from 0"}}
}

// parseReply reads {"text":"…"} or {"button":0}.
func parseReply(b []byte) (text string, button int, err error) {
	if !utf8.Valid(b) {
		return "", -1, survey.InvalidError{{Pointer: "", Code: "invalid_json", Detail: "the body is not UTF-8"}}
	}
	var in map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(b))
	if err := d.Decode(&in); err != nil || in == nil {
		return "", -1, survey.InvalidError{{Pointer: "", Code: "invalid_json", Detail: `the body is not a JSON object such as {"text":"9"} or {"button":0}`}}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", -1, survey.InvalidError{{Pointer: "", Code: "invalid_json", Detail: "something follows the JSON object"}}
	}
	var bad survey.InvalidError
	button = -1
	for name, raw := range in {
		switch name {
		case "text":
			if json.Unmarshal(raw, &text) != nil || string(raw) == "null" {
				bad = append(bad, survey.FieldError{Pointer: "/text", Code: "wrong_type", Detail: "text is a string"})
			}
		case "button":
			if json.Unmarshal(raw, &button) != nil || button < 0 {
				bad = append(bad, survey.FieldError{Pointer: "/button", Code: "wrong_type", Detail: "button is the index of a button of the message, from 0"})
			}
		default:
			bad = append(bad, survey.FieldError{Pointer: "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name), Code: "unknown_member", Detail: "a reply has a text or a button and nothing else"})
		}
	}
	if len(in) == 2 && len(bad) == 0 {
		bad = survey.InvalidError{{Pointer: "", Code: "invalid_request", Detail: "a reply is a text or a tap on a button, not both"}}
	}
	if len(bad) > 0 {
		slices.SortFunc(bad, func(a, b survey.FieldError) int { return strings.Compare(a.Pointer, b.Pointer) })
		return "", -1, bad
	}
	return text, button, nil
}

// sendForm reads the form of a send: a sample by its number, a magic recipient by its address, or all of it.
func (p *pages) sendForm(v url.Values) (SendForm, error) {
	if s := v.Get("sample"); s != "" {
		all := samples()
		if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < len(all) {
			return all[n].Form, nil
		}
		return SendForm{}, survey.InvalidError{{Pointer: "/sample", Code: "invalid_value", Detail: "there is no such sample"}}
	}
	f := SendForm{
		Survey: v.Get("survey"), Locale: v.Get("locale"), Name: strings.TrimSpace(v.Get("name")),
		Phone: strings.TrimSpace(v.Get("phone")), Email: strings.TrimSpace(v.Get("email")),
	}
	if to := strings.TrimSpace(v.Get("to")); to != "" {
		f = SendForm{Survey: samples()[0].Form.Survey, Locale: "hr", Name: "Ana Kovač", Phone: to, Channels: []survey.Channel{survey.SMS}}
		if strings.Contains(to, "@") {
			f.Phone, f.Email, f.Channels = "", to, []survey.Channel{survey.Email}
		}
		return f, nil
	}
	var bad survey.InvalidError
	if !slices.ContainsFunc(p.Surveys, func(s survey.Survey) bool { return s.ID == f.Survey }) {
		bad = append(bad, survey.FieldError{Pointer: "/survey", Code: "unknown_survey", Detail: "choose one of the surveys"})
	}
	switch ch := v.Get("channel"); ch {
	case "all":
		f.Channels = survey.SendChannels()
	case string(survey.SMS), string(survey.Viber), string(survey.Email):
		f.Channels = []survey.Channel{survey.Channel(ch)}
	default:
		bad = append(bad, survey.FieldError{Pointer: "/channel", Code: "unknown_channel", Detail: "choose SMS, Viber, email, or all three"})
	}
	byMail := slices.Equal(f.Channels, []survey.Channel{survey.Email})
	switch {
	case byMail && f.Email == "":
		bad = append(bad, survey.FieldError{Pointer: "/email", Code: "no_address", Detail: "an email needs an address"})
	case !byMail && f.Phone == "" && (f.Email == "" || len(f.Channels) == 1):
		bad = append(bad, survey.FieldError{Pointer: "/phone", Code: "no_address", Detail: "a phone needs a number, such as +385 91 123 4567"})
	}
	if len(bad) > 0 {
		return f, bad
	}
	return f, nil
}

// A sample is a send that one tap makes.
type sample struct {
	Name string
	Form SendForm
}

// samples are one of each kind of phone, and of each script.
func samples() []sample {
	sms, viber, mail := []survey.Channel{survey.SMS}, []survey.Channel{survey.Viber}, []survey.Channel{survey.Email}
	return []sample{
		{"Delivery, Ana, SMS", SendForm{"nps-after-purchase", "hr", "Ana Kovač", "+385911234567", "", sms}},
		{"Support call, Јелена, Viber", SendForm{"csat-after-support", "sr-Cyrl", "Јелена Петровић", "+381641234567", "", viber}},
		{"Return, سارا, email", SendForm{"ces-after-return", "fa", "سارا احمدی", "", "sara@example.ir", mail}},
		{"Delivery, Marek, Viber", SendForm{"nps-after-purchase", "pl", "Marek Nowak", "+48601555010", "", viber}},
		{"Delivery, سارا, SMS", SendForm{"nps-after-purchase", "fa", "سارا احمدی", "+989121234567", "", sms}},
		{"Delivery, Maja, email", SendForm{"nps-after-purchase", "sl", "Maja Novak", "", "maja@example.si", mail}},
	}
}
