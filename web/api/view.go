package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

// A list is one page.
type list[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

func sendList[T any](c *fiber.Ctx, items []T, next string) error {
	if items == nil {
		items = []T{}
	}
	return sendJSON(c, http.StatusOK, list[T]{items, next})
}

func sendJSON(c *fiber.Ctx, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	return send(c, status, body)
}

// mustJSON encodes what can always be encoded.
func mustJSON(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return body
}

// A sendView is a send as callers see it.
type sendView struct {
	ID            string             `json:"id"`
	Status        survey.Status      `json:"status"`
	Reason        survey.Reason      `json:"reason"`
	Mode          survey.Mode        `json:"mode"`
	Survey        string             `json:"survey"`
	SurveyVersion int                `json:"survey_version"`
	Locale        string             `json:"locale"`
	ContactID     string             `json:"contact_id"`
	Recipient     survey.Recipient   `json:"recipient"`
	Transaction   survey.Transaction `json:"transaction"`
	Consent       *survey.Consent    `json:"consent,omitempty"`
	Metadata      json.RawMessage    `json:"metadata,omitempty"`
	Plan          []stepView         `json:"plan"`
	Kind          survey.Kind        `json:"kind"`
	DueAt         *time.Time         `json:"due_at,omitempty"` // absent when nothing is due
	ExpiresAt     time.Time          `json:"expires_at"`
	CreatedAt     time.Time          `json:"created_at"`
	UpdatedAt     time.Time          `json:"updated_at"`
	Attempts      *[]attemptView     `json:"attempts,omitempty"` // of one send, never in a list
}

type stepView struct {
	Kind    survey.Kind          `json:"kind,omitempty"`    // reminder; "" = invitation
	Channel survey.Channel       `json:"channel,omitempty"` // "" of a reminder: where the person was reached
	Sender  string               `json:"sender,omitempty"`
	Success survey.AttemptStatus `json:"success_status"`
	Wait    int64                `json:"wait_seconds"`
	After   int64                `json:"after_seconds,omitempty"` // of a reminder
}

func viewSend(s survey.Send) sendView {
	v := sendView{
		ID: s.ID, Status: s.Status, Reason: s.Reason, Mode: s.Mode, Survey: s.Survey, SurveyVersion: s.SurveyVersion,
		Locale: s.Locale, ContactID: s.ContactID, Recipient: s.Recipient, Transaction: s.Transaction,
		Consent: s.Consent, Metadata: s.Metadata, Plan: make([]stepView, len(s.Plan)), Kind: s.Kind,
		ExpiresAt: s.ExpiresAt.UTC(), CreatedAt: s.CreatedAt.UTC(), UpdatedAt: s.UpdatedAt.UTC(),
	}
	for i, p := range s.Plan {
		v.Plan[i] = stepView{p.Kind, p.Channel, p.Sender, p.Success, int64(p.Wait / time.Second), int64(p.After / time.Second)}
	}
	if s.Lane != "" {
		due := s.DueAt.UTC()
		v.DueAt = &due
	}
	return v
}

// An attemptView is an attempt as callers see it.
type attemptView struct {
	ID         string               `json:"id"`
	Kind       survey.Kind          `json:"kind"`
	Channel    survey.Channel       `json:"channel"`
	Sender     string               `json:"sender"`
	Status     survey.AttemptStatus `json:"status"`
	ProviderID string               `json:"provider_id"`
	Fault      string               `json:"fault"`
	Code       string               `json:"code"`
	Segments   int                  `json:"segments"`
	At         time.Time            `json:"at"`
	UpdatedAt  time.Time            `json:"updated_at"`
}

func viewAttempt(a survey.Attempt) attemptView {
	return attemptView{
		a.ID, a.Kind, a.Channel, a.Sender, a.Status, a.ProviderID, a.Fault, a.Code, a.Segments,
		a.At.UTC(), a.UpdatedAt.UTC(),
	}
}

// A responseView is a response as callers see it.
type responseView struct {
	ID            string          `json:"id"`
	SendID        string          `json:"send_id"`
	Mode          survey.Mode     `json:"mode"`
	Survey        string          `json:"survey"`
	SurveyVersion int             `json:"survey_version"`
	Locale        string          `json:"locale"`
	Status        string          `json:"status"` // partial or complete
	Metric        metricView      `json:"metric"`
	Comment       string          `json:"comment"` // the customer's own words, "" while there are none
	Answers       []survey.Answer `json:"answers"`
	CreatedAt     time.Time       `json:"created_at"`
	UpdatedAt     time.Time       `json:"updated_at"`
}

type metricView struct {
	Type    survey.MetricType `json:"type"`
	Score   int               `json:"score"`
	Segment survey.Segment    `json:"segment"`
}

func viewResponse(r survey.Response) responseView {
	v := responseView{
		ID: r.ID, SendID: r.SendID, Mode: r.Mode, Survey: r.Survey, SurveyVersion: r.SurveyVersion, Locale: r.Locale,
		Status: "partial", Metric: metricView{r.Metric, r.Score, r.Segment}, Answers: r.Answers,
		CreatedAt: r.CreatedAt.UTC(), UpdatedAt: r.UpdatedAt.UTC(),
	}
	if r.Complete {
		v.Status = "complete"
	}
	if v.Answers == nil {
		v.Answers = []survey.Answer{}
	}
	for _, a := range v.Answers {
		if a.Question == survey.QuestionComment {
			v.Comment = a.Text
		}
	}
	return v
}

// A keyView is an API key as callers see it.
type keyView struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Mode      survey.Mode `json:"mode"`
	Scopes    []string    `json:"scopes"`
	Hint      string      `json:"hint"`
	CreatedAt time.Time   `json:"created_at"`
	RevokedAt time.Time   `json:"revoked_at,omitzero"`
	Actor     string      `json:"actor"`
	Secret    string      `json:"secret,omitempty"` // in the answer that made it, never again
}

func viewKey(k auth.Key) keyView {
	return keyView{k.ID, k.Name, k.Mode, k.Scopes, k.Hint, k.CreatedAt.UTC(), k.RevokedAt.UTC(), k.Actor, ""}
}
