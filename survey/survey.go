// Package survey is what Odziv is about, without any I/O: surveys, sends and what may become of
// them, conversations and answers. Every rule that a marketer could state is here, as a function
// from inputs to a result.
package survey

import "time"

// A Channel is a way to reach a person.
type Channel string

// The channels.
const (
	Email Channel = "email"
	SMS   Channel = "sms"
	Viber Channel = "viber"
	// Web is the customer's own page: answered on, never sent over.
	Web Channel = "web"
	// Chat stands for SMS and Viber together where messages are looked up.
	Chat Channel = "chat"
)

// SendChannels lists the channels that a send may name, in the order of the default plan.
func SendChannels() []Channel { return []Channel{Viber, SMS, Email} }

// A Mode says whether real people can be reached.
type Mode string

// The modes. A test send can only reach sandbox senders (law 11).
const (
	Live Mode = "live"
	Test Mode = "test"
)

// A MetricType is how a score is read.
type MetricType string

// The metric types.
const (
	NPS  MetricType = "nps"  // 0 to 10: 9 and 10 promoter, 7 and 8 passive, 0 to 6 detractor
	CSAT MetricType = "csat" // 1 to 5: 5 promoter, 4 passive, 1 to 3 detractor
	CES  MetricType = "ces"  // 1 to 7 (7 = very easy): 6 and 7 promoter, 5 passive, 1 to 4 detractor
)

// A Segment says at once how the customer stands.
type Segment string

// The segments.
const (
	Promoter  Segment = "promoter"
	Passive   Segment = "passive"
	Detractor Segment = "detractor"
)

// A Survey is what is asked. Its words are in releases of messages.
type Survey struct {
	ID            string     `json:"id"`
	Name          string     `json:"name"` // for the people who work with it, in English
	Metric        MetricType `json:"metric"`
	Min           int        `json:"min"` // least and
	Max           int        `json:"max"` // greatest score
	Brand         string     `json:"brand"`
	Locales       []string   `json:"locales"`        // BCP 47, the first is the default
	Required      []string   `json:"required"`       // locales without which nothing is published
	DefaultLocale string     `json:"default_locale"` // end of every fallback chain
}

// Segment tells how a customer who gave this score stands.
func (s Survey) Segment(score int) Segment {
	var promoter, passive int
	switch s.Metric {
	case CSAT:
		promoter, passive = 5, 4
	case CES:
		promoter, passive = 6, 5
	case NPS:
		promoter, passive = 9, 7
	default:
		promoter, passive = s.Max, s.Max
	}
	switch {
	case score >= promoter:
		return Promoter
	case score >= passive:
		return Passive
	default:
		return Detractor
	}
}

// Builtin gives the surveys that are in every installation.
func Builtin() []Survey {
	locales := []string{"en", "hr", "sr-Latn", "sr-Cyrl", "sl", "pl", "fa"}
	made := func(id, name string, m MetricType, low, high int) Survey {
		return Survey{
			ID: id, Name: name, Metric: m, Min: low, Max: high,
			Locales: locales, Required: []string{"en"}, DefaultLocale: "en",
		}
	}
	return []Survey{
		made("nps-after-purchase", "NPS after a purchase", NPS, 0, 10),
		made("csat-after-support", "CSAT after a support call", CSAT, 1, 5),
		made("ces-after-return", "CES after a return", CES, 1, 7),
	}
}

// A Kind is the role of a message in a survey.
type Kind string

// The kinds.
const (
	Invitation        Kind = "invitation"
	Reminder          Kind = "reminder"
	FollowupPromoter  Kind = "followup.promoter" // the question after the score
	FollowupPassive   Kind = "followup.passive"
	FollowupDetractor Kind = "followup.detractor"
	ThanksPromoter    Kind = "thanks.promoter"
	ThanksPassive     Kind = "thanks.passive"
	ThanksDetractor   Kind = "thanks.detractor"
	Clarify           Kind = "clarify"    // asked once when a reply could be a score but is not surely one
	OptOut            Kind = "optout"     // confirms an opt-out, once
	Question          Kind = "question"   // the question itself, on the page
	ScaleLow          Kind = "scale.low"  // what the least score means
	ScaleHigh         Kind = "scale.high" // what the greatest score means
	TestMessage       Kind = "test"       // a marketer's test of a draft
)

// Followup is the kind of the question after the score.
func Followup(s Segment) Kind { return Kind("followup." + string(s)) }

// Thanks is the kind of the last word.
func Thanks(s Segment) Kind { return Kind("thanks." + string(s)) }

// A Text is one message as its author wrote it: Liquid source.
type Text struct {
	Kind    Kind    `json:"kind"`
	Channel Channel `json:"channel"`
	Locale  string  `json:"locale"`
	Subject string  `json:"subject,omitempty"` // email only
	Text    string  `json:"text"`
	HTML    string  `json:"html,omitempty"` // email only; "" takes the standard layout around Text
}

// A Release is everything that a survey says, as published at one moment. It never changes: sends keep the
// release under which they were accepted.
type Release struct {
	Survey  string    `json:"survey"`
	Version int       `json:"version"` // 1 is what came with the program
	Texts   []Text    `json:"texts"`
	Actor   string    `json:"actor"`
	Note    string    `json:"note"`
	At      time.Time `json:"at"`
}

// A Button is one key under a message; Payload is what a tap on it sends back.
type Button struct {
	Text    string `json:"text"`
	Payload string `json:"payload,omitempty"`
	URL     string `json:"url,omitempty"` // opens this instead of replying
}
