package web

import "net/http"

// The codes of problems, whole ones and those of one member. They are part of the contract: programs act on them.
const (
	CodeInvalidJSON       = "invalid_json"
	CodeDuplicateMember   = "duplicate_member"
	CodeBadRequest        = "bad_request"
	CodeMissingKey        = "missing_key"
	CodeInvalidKey        = "invalid_key"
	CodeRevokedKey        = "revoked_key"
	CodeMissingScope      = "missing_scope"
	CodeNotFound          = "not_found"
	CodeMethodNotAllowed  = "method_not_allowed"
	CodeConflict          = "conflict"
	CodeInFlight          = "idempotency_in_flight"
	CodeTooLarge          = "too_large"
	CodeBatchTooLong      = "batch_too_long"
	CodeMediaType         = "unsupported_media_type"
	CodeContentEncoding   = "unsupported_content_encoding"
	CodeInvalidRequest    = "invalid_request"
	CodeUnknownMember     = "unknown_member"
	CodeMissingMember     = "missing_member"
	CodeWrongType         = "wrong_type"
	CodeInvalidValue      = "invalid_value"
	CodeTooLong           = "too_long"
	CodeTooMany           = "too_many"
	CodeInvalidEmail      = "invalid_email"
	CodeInvalidPhone      = "invalid_phone"
	CodeUnreachablePhone  = "unreachable_phone"
	CodeInvalidTime       = "invalid_time"
	CodeInvalidDuration   = "invalid_duration"
	CodeInvalidPassword   = "invalid_password"
	CodeUnknownSurvey     = "unknown_survey"
	CodeUnknownLocale     = "unknown_locale"
	CodeUnknownTimezone   = "unknown_timezone"
	CodeUnknownChannel    = "unknown_channel"
	CodeInvalidPlan       = "invalid_plan"
	CodeNoAddress         = "no_address"
	CodeNoSender          = "no_sender"
	CodeEmptyBatch        = "empty_batch"
	CodeIdempotencyKey    = "invalid_idempotency_key"
	CodeMismatch          = "idempotency_mismatch"
	CodePreview           = "preview_unavailable"
	CodeTooManyRequests   = "too_many_requests"
	CodeHeaderTooLarge    = "header_too_large"
	CodeRequestTimeout    = "request_timeout"
	CodeInternal          = "internal_error"
	CodeUnavailable       = "unavailable"
	CodeBusy              = "busy"
	CodeForbidden         = "forbidden"
	CodeInvalidSignature  = "invalid_signature"
	CodeUnreadableMessage = "unreadable_message"
)

// A Code explains one code of a problem on its page of the reference.
type Code struct {
	Code   string
	Status int    // of the answer when this is its only fault
	Title  string // short, the same for every case
	What   string // what happened and why it is refused
	Fix    string // what the caller can do
}

// codes is the table of every code that an answer may carry.
var codes = []Code{ //nolint:gochecknoglobals // a table
	{
		CodeInvalidJSON, http.StatusBadRequest, "The body is not JSON",
		"The body, or one line of a batch, could not be read as JSON (RFC 8259). The detail names the byte where reading ended and why: a missing comma or quote, a cut-off body, bytes that are not UTF-8, or nesting deeper than 8 levels.",
		"Build bodies with a JSON library and not by joining strings. If the body looks right, check that nothing on the way cut it off.",
	},
	{
		CodeDuplicateMember, http.StatusBadRequest, "A member is there twice",
		"One object holds the same member name more than once. Which of the two is meant cannot be known.",
		"Send the member once.",
	},
	{
		CodeBadRequest, http.StatusBadRequest, "The request could not be read",
		"The HTTP request itself is malformed, or a parameter of the query has a value that means nothing here. The detail says which.",
		"Correct what the detail names. A cursor is taken from «next» of the page before, unchanged.",
	},
	{
		CodeMissingKey, http.StatusUnauthorized, "No API key was sent",
		"Every call under /v1 needs an API key and this one carried none, or not in the form «Bearer key».",
		"Send the header «Authorization: Bearer odz_live_…» or «odz_test_…». Keys are made by «odziv keys create» or by POST /v1/keys.",
	},
	{
		CodeInvalidKey, http.StatusUnauthorized, "The API key is not known",
		"No key of this installation is the one that was sent.",
		"Check that the whole key was copied and that it belongs to this installation. A lost key cannot be shown again: make a new one.",
	},
	{
		CodeRevokedKey, http.StatusUnauthorized, "The API key was revoked",
		"The key was good once and has been revoked.",
		"Make a new key by «odziv keys create» and put it where the old one was.",
	},
	{
		CodeMissingScope, http.StatusForbidden, "The API key may not do this",
		"The key is good but lacks the scope that this call needs. The detail names the scope.",
		"Make a key with that scope. A key gives only scopes that it has itself.",
	},
	{
		CodeForbidden, http.StatusForbidden, "This is not allowed",
		"The call is understood and refused.",
		"The detail says what is missing.",
	},
	{
		CodeInvalidSignature, http.StatusUnauthorized, "The signature is not the provider's",
		"A webhook of a provider or a shop was called with a signature that does not fit its body, that is too old, or with none. Nothing was kept.",
		"Of a provider: check the auth token of the sender and that public_url is exactly the address which the provider calls. Of a shop: check its secret in the configuration, and the clock of the gateway.",
	},
	{
		CodeUnreadableMessage, http.StatusBadRequest, "The webhook's body means nothing here",
		"A webhook was called with a body that is not of the form this provider or shop documents. The raw body of a shop's is kept in the inbox.",
		"Check that the URL is the one of this provider and sender, or of this kind of shop.",
	},
	{
		CodeNotFound, http.StatusNotFound, "There is no such thing",
		"No such path, or no thing with that id. A test key sees only what test keys made, and a live key only what live keys made.",
		"Check the id and that the key is of the same mode. The paths are listed in the reference.",
	},
	{
		CodeMethodNotAllowed, http.StatusMethodNotAllowed, "The path has no such method",
		"The path is right, the method is not. The header Allow lists those that are.",
		"Use one of the methods in Allow.",
	},
	{
		CodeRequestTimeout, http.StatusRequestTimeout, "The request took too long to arrive",
		"The request did not arrive whole in time.",
		"Send it again; split very large batches.",
	},
	{
		CodeConflict, http.StatusConflict, "Its state does not allow this",
		"The thing is in a state in which this cannot be done, or another call was faster.",
		"Read it again and decide anew.",
	},
	{
		CodeInFlight, http.StatusConflict, "A call with this Idempotency-Key is under way",
		"Another call with the same key has begun and not ended.",
		"Wait for the time in Retry-After and send the same call again: it then gives the answer of the first.",
	},
	{
		CodeTooLarge, http.StatusRequestEntityTooLarge, "The body is too large",
		"A body is at most 64 KiB, that of a batch 16 MiB. Nothing was stored.",
		"Send many sends by POST /v1/sends/batch, in several calls if need be.",
	},
	{
		CodeBatchTooLong, http.StatusRequestEntityTooLarge, "The batch has too many lines",
		"A batch has at most 10,000 sends. Nothing was stored.",
		"Split it. Sends with a transaction.id are never doubled, so overlapping parts do no harm.",
	},
	{
		CodeMediaType, http.StatusUnsupportedMediaType, "The Content-Type is not one of ours",
		"The header Content-Type says that the body is something which this call does not read. Command-line tools often say «form» when told nothing.",
		"Send «Content-Type: application/json», or for a batch of lines «application/x-ndjson».",
	},
	{
		CodeContentEncoding, http.StatusUnsupportedMediaType, "Compressed bodies are not read",
		"The header Content-Encoding says that the body is compressed. Bodies are read as they are, because a small compressed one can become huge.",
		"Send the body uncompressed.",
	},
	{
		CodeInvalidRequest, http.StatusUnprocessableEntity, "Several members are wrong",
		"The body could be read, and more than one kind of fault was found in it. «errors» lists every one with the place where it is. Nothing was stored.",
		"Correct every place that «errors» names.",
	},
	{
		CodeUnknownMember, http.StatusUnprocessableEntity, "A member has an unknown name",
		"The body has a member that this call does not know. It is refused rather than passed over, because a mistyped name would silently do nothing.",
		"Correct the name, or leave the member out. Facts of your own go into transaction.attributes (usable in messages) or metadata (given back as it was).",
	},
	{
		CodeMissingMember, http.StatusUnprocessableEntity, "A required member is missing",
		"A member without which the call means nothing is absent, null or empty.",
		"Add it.",
	},
	{
		CodeWrongType, http.StatusUnprocessableEntity, "A member has the wrong JSON type",
		"For example a number where a string belongs. Phone numbers and ids are strings: as numbers they lose zeros and digits.",
		"Send the type that the detail names.",
	},
	{
		CodeInvalidValue, http.StatusUnprocessableEntity, "A member has a value that is not allowed",
		"The type is right and the value is not.",
		"Use one of the values that the detail names.",
	},
	{
		CodeTooLong, http.StatusUnprocessableEntity, "A member is too long",
		"The detail names the greatest length.",
		"Shorten it.",
	},
	{
		CodeTooMany, http.StatusUnprocessableEntity, "There are too many of them",
		"The detail names the greatest number.",
		"Leave some out.",
	},
	{
		CodeInvalidEmail, http.StatusUnprocessableEntity, "The email address cannot be one",
		"Mail could never reach an address of this form. The detail says what is wrong with it.",
		"Correct the address, or leave it out if another address is given. Only the address belongs here, without a name.",
	},
	{
		CodeInvalidPhone, http.StatusUnprocessableEntity, "The phone number cannot be one",
		"No such number exists in the numbering plan of its country, or the country is not said.",
		"Send the number in international form: «+», country code, number. Spaces, brackets and Persian or Arabic digits are fine.",
	},
	{
		CodeUnreachablePhone, http.StatusUnprocessableEntity, "The phone number receives no messages",
		"The number is a land line, a premium-rate or a free-phone number: neither SMS nor Viber reaches it.",
		"Send a mobile number, or leave the phone out and ask by email.",
	},
	{
		CodeInvalidTime, http.StatusUnprocessableEntity, "The time cannot be read or makes no sense",
		"A time is written as RFC 3339 says, with its offset from UTC, and has to fit the others: what is due cannot have expired.",
		"Write it like 2026-11-20T14:03:00Z or 2026-11-20T15:03:00+01:00.",
	},
	{
		CodeInvalidDuration, http.StatusUnprocessableEntity, "The duration cannot be read or makes no sense",
		"A duration is a whole number with a unit, s m h d or w, or several such.",
		"Write it like 90m, 2h, 3d or 1d12h.",
	},
	{
		CodeInvalidPassword, http.StatusUnprocessableEntity, "The password is too short or too long",
		"A password has from 12 to 128 characters.",
		"Choose another; several words make a good one.",
	},
	{
		CodeUnknownSurvey, http.StatusUnprocessableEntity, "There is no such survey",
		"No survey has that id.",
		"GET /v1/surveys lists them.",
	},
	{
		CodeUnknownLocale, http.StatusUnprocessableEntity, "There is no such locale",
		"The words of the surveys do not exist in that language and script.",
		"Use one of those the detail lists, or leave it out: then the default locale of the survey is used.",
	},
	{
		CodeUnknownTimezone, http.StatusUnprocessableEntity, "There is no such time zone",
		"A time zone is named as in the IANA database, by a region and a city. Offsets and abbreviations do not know about summer time.",
		"Write it like Europe/Zagreb.",
	},
	{
		CodeUnknownChannel, http.StatusUnprocessableEntity, "There is no such channel",
		"A channel is viber, sms or email, each at most once, in the order in which they are tried.",
		"Correct the list, or leave it out: then every channel that has an address and a sender is tried.",
	},
	{
		CodeInvalidPlan, http.StatusUnprocessableEntity, "The plan makes no sense",
		"A plan is a list of steps, each with a channel, what counts as success, and how long to wait for it before the next step starts. Reminders come after it.",
		"See «plan» and «reminders» in the reference.",
	},
	{
		CodeNoAddress, http.StatusUnprocessableEntity, "No channel has an address",
		"None of the requested channels has an address of the recipient: email needs «email», SMS needs «phone», Viber needs «viber_id» or «phone».",
		"Add an address, or a channel for which there is one.",
	},
	{
		CodeNoSender, http.StatusUnprocessableEntity, "No channel has a sender",
		"For the channels that could reach the recipient no sender is configured. A test key uses sandbox senders only.",
		"GET /v1/senders lists what is configured.",
	},
	{
		CodeEmptyBatch, http.StatusUnprocessableEntity, "The batch is empty",
		"The body has no sends in it.",
		"Send at least one.",
	},
	{
		CodeIdempotencyKey, http.StatusUnprocessableEntity, "The Idempotency-Key is not usable",
		"An Idempotency-Key has from 1 to 255 visible ASCII characters.",
		"Use a random UUID for each thing that is to happen once.",
	},
	{
		CodeMismatch, http.StatusUnprocessableEntity, "The Idempotency-Key was used for another body",
		"Within the last 24 hours the same key of the same API key came with a different body, or to another path. Nothing was stored.",
		"Use a new key for each new thing, and repeat a call byte for byte.",
	},
	{
		CodePreview, http.StatusUnprocessableEntity, "Dry runs are not available",
		"This installation cannot decide without storing.",
		"Send without dry_run by a test key: it reaches nobody.",
	},
	{
		CodeTooManyRequests, http.StatusTooManyRequests, "Too many calls",
		"More calls came than are allowed in this time.",
		"Wait for the time in Retry-After.",
	},
	{
		CodeHeaderTooLarge, http.StatusRequestHeaderFieldsTooLarge, "The header is too large",
		"The header of a request is at most 16 KiB.",
		"Send fewer or shorter header fields and cookies.",
	},
	{
		CodeInternal, http.StatusInternalServerError, "A fault of ours",
		"Something happened that was not foreseen. It is in the log under the request id.",
		"Send it again with the same Idempotency-Key. If it stays, tell the operator the request id.",
	},
	{
		CodeUnavailable, http.StatusServiceUnavailable, "Not available at the moment",
		"A part that is needed does not answer, or did not in time. Whether the call took effect is not known.",
		"Send it again, with the same Idempotency-Key or transaction.id: nothing is doubled.",
	},
	{
		CodeBusy, http.StatusServiceUnavailable, "Too many batches at once",
		"Others are being read and this one waited as long as it could. Nothing was stored.",
		"Send it again after the time in Retry-After.",
	},
}

// Codes lists every code that an answer may carry.
func Codes() []Code { return codes }

// codeOf gives the row of a code; ok is false when the table lacks it.
func codeOf(code string) (c Code, ok bool) {
	for _, c := range codes {
		if c.Code == code {
			return c, true
		}
	}
	return Code{Code: code, Status: http.StatusUnprocessableEntity, Title: "A member is wrong"}, false
}
