package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/odziv/odziv/auth"
	"github.com/odziv/odziv/survey"
)

// ContentTypeProblem is the media type of a Problem.
const ContentTypeProblem = "application/problem+json"

// A Problem is the body of every error answer, and the error that a handler returns to give that answer.
//
// Source: RFC 9457, section 3.1.
type Problem struct { //nolint:errname // the word of the RFC
	Type      string              `json:"type"`
	Title     string              `json:"title"`
	Status    int                 `json:"status"`
	Code      string              `json:"code"`
	Detail    string              `json:"detail"`
	RequestID string              `json:"request_id,omitempty"`
	Errors    []survey.FieldError `json:"errors,omitempty"`

	RetryAfter string `json:"-"` // seconds, goes into the header; "" when there is nothing to wait for
	Cause      error  `json:"-"` // for the log only
}

// NewProblem makes a problem of one of the codes; status and title come with the code.
func NewProblem(code, detail string) *Problem {
	c, _ := codeOf(code)
	return &Problem{Title: c.Title, Status: c.Status, Code: code, Detail: detail}
}

func (p *Problem) Error() string {
	if p.Cause != nil {
		return p.Code + ": " + p.Cause.Error()
	}
	return p.Code + ": " + p.Detail
}

// Unwrap gives the cause, nil when there is none.
func (p *Problem) Unwrap() error { return p.Cause }

// At gives the problem its type, a page of the reference under the public URL, and the id of its request.
func (p *Problem) At(publicURL, requestID string) *Problem {
	p.Type = publicURL + ProblemPath(p.Code)
	p.RequestID = requestID
	return p
}

// ProblemPath is where the page of a code is.
func ProblemPath(code string) string { return "/docs/problems/" + strings.ReplaceAll(code, "_", "-") }

// ProblemOf is the one place that knows which error has which status. What it does not know is a bare 500 with the
// error as its cause.
func ProblemOf(err error) *Problem {
	var (
		problem *Problem
		invalid survey.InvalidError
		refused *auth.Error
		http    *fiber.Error
	)
	switch {
	case errors.As(err, &problem):
		given := *problem
		return &given
	case errors.As(err, &invalid):
		return invalidProblem(invalid)
	case errors.As(err, &refused):
		return NewProblem(refused.Code, refused.Detail)
	case errors.As(err, &http):
		return httpProblem(http)
	case errors.Is(err, survey.ErrUnavailable):
		p := NewProblem(CodeUnavailable, "a part that is needed does not answer; send it again")
		p.RetryAfter, p.Cause = "1", err
		return p
	case errors.Is(err, survey.ErrNotFound):
		return NewProblem(CodeNotFound, "there is no such thing, or it is of the other mode (live or test) than the key")
	case errors.Is(err, survey.ErrConflict):
		return NewProblem(CodeConflict, err.Error())
	case errors.Is(err, survey.ErrInDoubt), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p := NewProblem(CodeUnavailable, "the answer was lost or took too long; whether the call took effect is not known: "+
			"send it again with the same Idempotency-Key")
		p.RetryAfter, p.Cause = "1", err
		return p
	default:
		p := NewProblem(CodeInternal, ours)
		p.Cause = err
		return p
	}
}

// invalidProblem takes the code of its errors when they agree on one. Its status is that of the first error: an
// unreadable body has one only.
func invalidProblem(errs survey.InvalidError) *Problem {
	code := CodeInvalidRequest
	if len(errs) > 0 {
		code = errs[0].Code
	}
	for _, e := range errs {
		if e.Code != code {
			code = CodeInvalidRequest
		}
	}
	p := NewProblem(code, "")
	p.Errors = errs
	switch len(errs) {
	case 0:
	case 1:
		p.Detail = strings.TrimPrefix(errs[0].Pointer+": "+errs[0].Detail, ": ")
	default:
		p.Detail = "several members are wrong; «errors» lists every one; nothing was stored"
	}
	return p
}

// httpProblem translates what the server itself refuses.
func httpProblem(err *fiber.Error) *Problem {
	switch err.Code {
	case http.StatusNotFound:
		return NewProblem(CodeNotFound, "there is no such path; /docs lists those that are")
	case http.StatusMethodNotAllowed:
		return NewProblem(CodeMethodNotAllowed, "the path has no such method; the header Allow lists those it has")
	case http.StatusRequestEntityTooLarge:
		return NewProblem(CodeTooLarge, "a body is at most 64 KiB, that of POST /v1/sends/batch 16 MiB; nothing was stored")
	case http.StatusRequestHeaderFieldsTooLarge:
		return NewProblem(CodeHeaderTooLarge, "the header of a request is at most 16 KiB")
	case http.StatusRequestTimeout:
		return NewProblem(CodeRequestTimeout, "the request did not arrive whole in time")
	case http.StatusUnauthorized:
		return NewProblem(CodeMissingKey, err.Message)
	case http.StatusForbidden:
		return NewProblem(CodeForbidden, err.Message)
	case http.StatusConflict:
		return NewProblem(CodeConflict, err.Message)
	case http.StatusUnsupportedMediaType:
		return NewProblem(CodeMediaType, err.Message)
	case http.StatusUnprocessableEntity:
		return NewProblem(CodeInvalidRequest, err.Message)
	case http.StatusTooManyRequests:
		return NewProblem(CodeTooManyRequests, err.Message)
	case http.StatusServiceUnavailable:
		return NewProblem(CodeUnavailable, err.Message)
	case http.StatusBadRequest:
		return NewProblem(CodeBadRequest, err.Message)
	default:
		p := NewProblem(CodeInternal, ours)
		p.Cause = err
		return p
	}
}

// send writes the problem as the answer.
func (p *Problem) send(c *fiber.Ctx) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if p.Status == http.StatusUnauthorized {
		c.Set(fiber.HeaderWWWAuthenticate, challenge(p.Code))
	}
	if p.RetryAfter != "" {
		c.Set(fiber.HeaderRetryAfter, p.RetryAfter)
	}
	c.Set(fiber.HeaderContentType, ContentTypeProblem)
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(p.Status).Send(body)
}

// challenge says how to authenticate.
//
// Source: RFC 6750, section 3.
func challenge(code string) string {
	switch code {
	case CodeMissingKey:
		return `Bearer realm="odziv"`
	case CodeInvalidSignature: // no key would help
		return `Signature realm="odziv"`
	default:
		return `Bearer realm="odziv", error="invalid_token"`
	}
}
