package vault

import (
	"time"

	"github.com/attache-proxy/attache/providers/secret"
	"github.com/attache-proxy/attache/resolver/vault/access"
	"github.com/attache-proxy/attache/resolver/vault/approval"
	"github.com/attache-proxy/attache/resolver/vault/audit"
	"github.com/attache-proxy/attache/resolver/vault/database"
	"github.com/attache-proxy/attache/resolver/vault/narrowing"
	"github.com/attache-proxy/attache/resolver/vault/runs"
	"github.com/attache-proxy/attache/resolver/vault/seal"
	"github.com/attache-proxy/attache/resolver/vault/session"
	"github.com/attache-proxy/attache/resolver/vault/tool"
	"github.com/attache-proxy/attache/resolver/vault/transfer"
	"github.com/attache-proxy/attache/resolver/vault/webhook"
)

// What methods of a Vault and a View take and return is named here, so that who uses
// the vault need not know in which room it is made.
type (
	Change      = database.Change
	Kind        = database.Kind
	Setting     = access.Setting
	Page        = database.Page
	Rule        = narrowing.Rule
	List[T any] = database.List[T]
	Keyring     = seal.Keyring
	SecretInfo  = seal.Info
	TokenInfo   = seal.TokenInfo
	Actor       = audit.Actor
	Event       = audit.Event
	AuditFilter = audit.Filter
	Deed        = audit.Deed
	Tail        = audit.Tail
	Traffic     = audit.Traffic
	Order       = database.Order
	Usage       = audit.Usage
	PathUsage   = audit.PathUsage
	Role        = access.Role
	AdminToken  = access.AdminToken
	SignIn      = access.SignIn
	Answer      = access.Answer
	Session     = session.Session
	NewSession  = session.NewSession
	SessionEdit = session.SessionEdit
	SessionData = session.Data
	SessionFlag = session.Flag
	Stage       = session.Stage
	Progress    = transfer.Progress
	Webhook     = webhook.Webhook
	BudgetAlert = webhook.Budget
	NewWebhook  = webhook.NewWebhook
	WebhookEdit = webhook.WebhookEdit
	Delivery    = webhook.Delivery
	Due         = webhook.Due

	Approval       = approval.Approval
	ApprovalFilter = approval.ApprovalFilter
	RunFilter      = runs.RunFilter
	Decision       = approval.Answer
	Tool           = tool.Tool
	ToolFilter     = tool.ToolFilter
)

const (
	All                 = audit.All
	DefaultOrganisation = audit.DefaultOrganisation

	KindAccount    = database.KindAccount
	KindAgent      = database.KindAgent
	KindGrant      = database.KindGrant
	KindConnector  = database.KindConnector
	KindApp        = database.KindApp
	KindSetting    = database.KindSetting
	KindApproval   = database.KindApproval
	KindRun        = database.KindRun
	KindTool       = database.KindTool
	KindEverything = database.KindEverything

	AuditUse, AuditOpen, AuditRefusal, AuditRefresh = audit.KindUse, audit.KindOpen, audit.KindRefusal, audit.KindRefresh
	AuditState, AuditAdmin, AuditSystem             = audit.KindState, audit.KindAdmin, audit.KindSystem

	OutcomeOK, OutcomeFailed, OutcomeRefused = audit.OutcomeOK, audit.OutcomeFailed, audit.OutcomeRefused

	TrafficHour      = audit.TrafficHour
	TrafficTook      = audit.TrafficTook
	TrafficRefusal   = audit.TrafficRefusal
	TrafficRefresh   = audit.TrafficRefresh
	TrafficConnector = audit.TrafficConnector
	TrafficAgent     = audit.TrafficAgent

	OrderNewest = database.OrderNewest
	OrderName   = database.OrderName
	OrderNameUp = database.OrderNameUp

	RoleViewer   = access.RoleViewer
	RoleOperator = access.RoleOperator
	RoleAdmin    = access.RoleAdmin

	FlowRedirect = session.FlowRedirect
	FlowExchange = session.FlowExchange
	FlowDevice   = session.FlowDevice
	FlowForm     = session.FlowForm

	SessionOpen        = session.SessionOpen
	SessionAuthorizing = session.SessionAuthorizing
	SessionDone        = session.SessionDone
	SessionFailed      = session.SessionFailed

	DeliveryWaiting = webhook.DeliveryWaiting
	DeliveryDone    = webhook.DeliveryDone
	DeliveryFailed  = webhook.DeliveryFailed
)

// SchemaVersion is the newest version of the tables that this release knows.
var SchemaVersion = database.SchemaVersion

// NewKey makes a key; see seal.NewKey.
func NewKey() secret.Value { return seal.NewKey() }

// ParseKeys reads keys from text; see seal.ParseKeys.
func ParseKeys(text secret.Value) (*Keyring, error) { return seal.ParseKeys(text) }

// ReadKeyFile reads the keys in the file at path.
func ReadKeyFile(path string) (*Keyring, error) { return seal.ReadKeyFile(path) }

// EnsureKeyFile reads the keys at path, or makes a file with a new key; see
// seal.EnsureKeyFile.
func EnsureKeyFile(path string) (r *Keyring, made bool, err error) { return seal.EnsureKeyFile(path) }

// LooksLikeAdminToken reports whether s has the form of an admin token. It tells
// rubbish from tokens without asking the database.
func LooksLikeAdminToken(s string) bool { return seal.LooksLike(seal.AdminToken, s) }

// LooksLikeAgentToken reports whether s has the form of an agent's token.
func LooksLikeAgentToken(s string) bool { return seal.LooksLike(seal.AgentToken, s) }

// TookUntil is the longest duration on a step of the scale of TrafficTook.
func TookUntil(step string) time.Duration { return audit.TookUntil(step) }
