package sandbox

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/odziv/odziv/channels"
	"github.com/odziv/odziv/survey"
)

// The parts that recipients play.
const (
	bounced   = "bounced"
	slow      = "slow"
	optedOut  = "optedout"
	transient = "transient"
	uncertain = "uncertain"
	settled   = "settled"
	rejected  = "rejected"
	stops     = "stop"
	scores    = "score" // followed by the score
)

// Phones: magic is 555 and four digits at the end.
const (
	magicPrefix = "5550"
	firstScore  = 100
)

// parts are the roles in the order of their phones; the first is nobody's.
func parts() []string {
	return []string{"", bounced, slow, optedOut, transient, uncertain, settled, rejected, stops}
}

// A Recipient is one line of the table of magic recipients.
type Recipient struct {
	Phone string `json:"phone"` // a valid number that ends in the magic digits
	Email string `json:"email"` // whatever the domain
	Does  string `json:"does"`  // in English
}

// Magic lists the recipients who play a part. Any other gets the message at once and says nothing.
func Magic() []Recipient {
	does := map[string]string{
		"":        "gets the message at once",
		bounced:   "does not exist: the attempt fails as unreachable",
		slow:      "gets the message at once, the report of it comes five seconds late",
		optedOut:  "said no to the provider: the attempt fails as opted_out",
		transient: "the first attempt fails as transient, the next one arrives",
		uncertain: "gets the message, but the attempt ends as uncertain and no report ever comes",
		settled:   "gets the message, the attempt ends as uncertain, a report settles it five seconds later",
		rejected:  "the provider refuses the message: rejected",
		stops:     "answers STOP",
	}
	var out []Recipient
	for i, name := range parts() {
		email := name + "@example.com"
		if name == "" {
			email = "anybody@example.com"
		}
		out = append(out, Recipient{phone(i), email, does[name]})
	}
	for n := range 11 {
		out = append(out, Recipient{
			phone(firstScore + n), fmt.Sprintf("%s%d@example.com", scores, n),
			fmt.Sprintf("answers %d, and the question after it with a comment", n),
		})
	}
	return out
}

// phone is the Croatian mobile number with the magic digits n.
func phone(n int) string { return fmt.Sprintf("+38591%s%03d", magicPrefix, n) }

// A role is what a recipient does.
type role struct {
	name  string
	score int
}

// part reads the role from an address.
func part(to string) role {
	local, _, _ := strings.Cut(strings.ToLower(to), "@")
	if i := strings.LastIndex(local, magicPrefix); i >= 0 && i == len(local)-len(magicPrefix)-3 {
		n, err := strconv.Atoi(local[i+len(magicPrefix):])
		switch {
		case err != nil:
		case n >= 0 && n < len(parts()):
			return role{name: parts()[n]}
		case n >= firstScore && n <= firstScore+10:
			return role{name: scores, score: n - firstScore}
		}
	}
	for _, name := range parts()[1:] {
		if local == name {
			return role{name: name}
		}
	}
	if digits, ok := strings.CutPrefix(local, scores); ok {
		if n, err := strconv.Atoi(digits); err == nil && n >= 0 && n <= 10 && digits == strconv.Itoa(n) {
			return role{name: scores, score: n}
		}
	}
	return role{}
}

// answer is what the recipient says to m, if anything: a score in the digits of the language to the question, a comment
// to the question after it, and nothing to thanks.
func (r role) answer(m Message) (channels.Update, bool) {
	var text string
	asked := m.Kind == survey.Invitation || m.Kind == survey.Reminder
	switch {
	case r.name == stops && asked:
		text = "STOP"
	case r.name == scores && asked:
		text = digits(r.score, m.Locale)
	case r.name == scores && strings.HasPrefix(string(m.Kind), "followup."):
		text = comment(m.Locale)
	default:
		return channels.Update{}, false
	}
	u := reply(m)
	u.Key, u.Text = m.ID+":answer", text
	return u, true
}

// digits writes n as people write it in a language.
func digits(n int, locale string) string {
	s := strconv.Itoa(n)
	if locale != "fa" {
		return s
	}
	return strings.Map(func(r rune) rune { return r - '0' + '۰' }, s)
}

// comment is what a recipient says when asked why.
func comment(locale string) string {
	switch locale {
	case "hr":
		return "Dostava je stigla dan ranije."
	case "sr-Latn":
		return "Pošiljka je stigla dan ranije."
	case "sr-Cyrl":
		return "Пошиљка је стигла дан раније."
	case "sl":
		return "Dostava je prišla dan prej."
	case "pl":
		return "Przesyłka dotarła dzień wcześniej."
	case "fa":
		return "بسته یک روز زودتر رسید."
	default:
		return "It came a day early."
	}
}
