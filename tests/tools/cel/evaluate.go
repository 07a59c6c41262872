package main

import (
	"context"
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	v1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apiserver/pkg/admission"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/cel/environment"
	"k8s.io/client-go/kubernetes/scheme"
)

// maxAuditAnnotationValueLength is that of the server's dispatcher, in bytes.
const maxAuditAnnotationValueLength = 10 * 1024

// review is one admission request. It is taken to match the policy's constraints.
type review struct {
	Object    json.RawMessage `json:"object"`
	OldObject json.RawMessage `json:"oldObject"`
	// Typed passes the objects through the Go types of 1.30 first, as the server
	// does: fields unknown to it are lost, empty ones such as status appear.
	Typed           bool                         `json:"typed"`
	Operation       admission.Operation          `json:"operation"`
	Namespace       string                       `json:"namespace"`
	NamespaceLabels map[string]string            `json:"namespaceLabels"`
	Name            string                       `json:"name"`
	Resource        *metav1.GroupVersionResource `json:"resource"`
	Subresource     string                       `json:"subresource"`
	DryRun          bool                         `json:"dryRun"`
	User            struct {
		Username string              `json:"username"`
		UID      string              `json:"uid"`
		Groups   []string            `json:"groups"`
		Extra    map[string][]string `json:"extra"`
	} `json:"user"`
}

type decision struct {
	Action     string `json:"action"`
	Evaluation string `json:"evaluation"`
	Message    string `json:"message"`
	Reason     string `json:"reason"`
}

type result struct {
	Matched    bool              `json:"matched"`
	Decisions  []decision        `json:"decisions"`
	Audit      map[string]string `json:"audit"`
	AuditError []string          `json:"auditErrors"`
	// Cost is what each group of expressions spent, or -1 where its budget ran out.
	Cost map[string]int64 `json:"cost"`
}

// evaluator is a policy as the server holds it, with gauges between its parts.
type evaluator struct {
	validator validating.Validator
	matched   bool
	cost      map[string]int64
}

// newEvaluator follows compilePolicy of the admission plugin, which is not exported.
func newEvaluator(policy *v1.ValidatingAdmissionPolicy) *evaluator {
	e := &evaluator{}
	hasParams := policy.Spec.ParamKind != nil
	declared := cel.OptionalVariableDeclarations{HasParams: hasParams, HasAuthorizer: true, StrictCost: strictCost}
	inMessages := cel.OptionalVariableDeclarations{HasParams: hasParams, StrictCost: strictCost}
	compiler := mustCompositedCompiler()
	var variables []cel.NamedExpressionAccessor
	for _, each := range policy.Spec.Variables {
		variables = append(variables, &validating.Variable{Name: each.Name, Expression: each.Expression})
	}
	compiler.CompileAndStoreVariables(variables, declared, environment.StoredExpressions)
	filter := func(name string, expressions []cel.ExpressionAccessor, options cel.OptionalVariableDeclarations) cel.Filter {
		return &gauged{compiler.Compile(expressions, options, environment.StoredExpressions), name, e}
	}

	validations := make([]cel.ExpressionAccessor, len(policy.Spec.Validations))
	messages := make([]cel.ExpressionAccessor, len(policy.Spec.Validations))
	for i, each := range policy.Spec.Validations {
		validations[i] = &validating.ValidationCondition{Expression: each.Expression, Message: each.Message, Reason: each.Reason}
		if each.MessageExpression != "" {
			messages[i] = &validating.MessageExpressionCondition{MessageExpression: each.MessageExpression}
		}
	}
	annotations := make([]cel.ExpressionAccessor, len(policy.Spec.AuditAnnotations))
	for i, each := range policy.Spec.AuditAnnotations {
		annotations[i] = &validating.AuditAnnotationCondition{Key: each.Key, ValueExpression: each.ValueExpression}
	}
	var matcher matchconditions.Matcher
	if len(policy.Spec.MatchConditions) > 0 {
		conditions := make([]cel.ExpressionAccessor, len(policy.Spec.MatchConditions))
		for i := range policy.Spec.MatchConditions {
			conditions[i] = (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i])
		}
		compiled := filter("matchConditions", conditions, declared)
		matcher = &observed{matchconditions.NewMatcher(compiled, policy.Spec.FailurePolicy, "policy", "validate", policy.Name), e}
	}
	e.validator = validating.NewValidator(
		filter("validations", validations, declared),
		matcher,
		filter("auditAnnotations", annotations, declared),
		filter("messageExpressions", messages, inMessages),
		policy.Spec.FailurePolicy,
	)
	return e
}

// gauged notes what a group of expressions has spent of its budget.
type gauged struct {
	cel.Filter
	name  string
	owner *evaluator
}

func (g *gauged) ForInput(ctx context.Context, attributes *admission.VersionedAttributes, request *admissionv1.AdmissionRequest, bindings cel.OptionalVariableBindings, namespace *corev1.Namespace, budget int64) ([]cel.EvaluationResult, int64, error) {
	results, remaining, err := g.Filter.ForInput(ctx, attributes, request, bindings, namespace, budget)
	g.owner.cost[g.name] = budget - remaining
	if err != nil {
		g.owner.cost[g.name] = -1
	}
	return results, remaining, err
}

// observed notes whether the match conditions let the request through to the validations.
type observed struct {
	matchconditions.Matcher
	owner *evaluator
}

func (o *observed) Match(ctx context.Context, attributes *admission.VersionedAttributes, params runtime.Object, authz authorizer.Authorizer) matchconditions.MatchResult {
	matched := o.Matcher.Match(ctx, attributes, params, authz)
	o.owner.matched = matched.Matches
	return matched
}

// nobody has no opinion on anything: no policy of ours asks the authorizer.
var nobody = authorizer.AuthorizerFunc(func(context.Context, authorizer.Attributes) (authorizer.Decision, string, error) {
	return authorizer.DecisionNoOpinion, "", nil
})

func (e *evaluator) review(asked *review) (*result, error) {
	attributes, err := asked.attributes()
	if err != nil {
		return nil, err
	}
	var namespace *corev1.Namespace
	if asked.Namespace != "" {
		namespace = asked.namespace()
	}
	e.matched = true
	e.cost = map[string]int64{}
	decided := e.validator.Validate(context.Background(), attributes.GetResource(), attributes, nil, namespace, celconfig.RuntimeCELCostBudget, nobody)
	answer := &result{Matched: e.matched, Decisions: []decision{}, Audit: map[string]string{}, AuditError: []string{}, Cost: e.cost}
	for _, each := range decided.Decisions {
		answer.Decisions = append(answer.Decisions, decision{string(each.Action), string(each.Evaluation), each.Message, string(each.Reason)})
	}
	for _, each := range decided.AuditAnnotations {
		switch each.Action {
		case validating.AuditAnnotationActionPublish:
			answer.Audit[each.Key] = each.Value[:min(len(each.Value), maxAuditAnnotationValueLength)]
		case validating.AuditAnnotationActionError:
			answer.AuditError = append(answer.AuditError, each.Key+": "+each.Error)
		}
	}
	return answer, nil
}

// namespace has the label that the server itself sets on every namespace.
func (r *review) namespace() *corev1.Namespace {
	labels := map[string]string{}
	for key, value := range r.NamespaceLabels {
		labels[key] = value
	}
	labels[corev1.LabelMetadataName] = r.Namespace
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: r.Namespace, Labels: labels}}
}

func (r *review) attributes() (*admission.VersionedAttributes, error) {
	object, kind, err := r.decode(r.Object)
	if err != nil {
		return nil, fmt.Errorf("object: %w", err)
	}
	oldObject, oldKind, err := r.decode(r.OldObject)
	if err != nil {
		return nil, fmt.Errorf("oldObject: %w", err)
	}
	if object == nil {
		kind = oldKind
	}
	resource, _ := meta.UnsafeGuessKindToResource(kind)
	if r.Resource != nil {
		resource = schema.GroupVersionResource(*r.Resource)
	}
	who := &user.DefaultInfo{Name: r.User.Username, UID: r.User.UID, Groups: r.User.Groups, Extra: r.User.Extra}
	record := admission.NewAttributesRecord(object, oldObject, kind, r.Namespace, r.Name, resource, r.Subresource, r.Operation, r.options(), r.DryRun, who)
	return &admission.VersionedAttributes{Attributes: record, VersionedObject: object, VersionedOldObject: oldObject, VersionedKind: kind}, nil
}

func (r *review) options() runtime.Object {
	switch r.Operation {
	case admission.Create:
		return &metav1.CreateOptions{TypeMeta: metav1.TypeMeta{Kind: "CreateOptions", APIVersion: "meta.k8s.io/v1"}}
	case admission.Update:
		return &metav1.UpdateOptions{TypeMeta: metav1.TypeMeta{Kind: "UpdateOptions", APIVersion: "meta.k8s.io/v1"}}
	case admission.Delete:
		return &metav1.DeleteOptions{TypeMeta: metav1.TypeMeta{Kind: "DeleteOptions", APIVersion: "meta.k8s.io/v1"}}
	}
	return nil
}

// decode returns an untyped nil for an absent object, which CEL then sees as null.
func (r *review) decode(document json.RawMessage) (runtime.Object, schema.GroupVersionKind, error) {
	var content map[string]any
	if err := utiljson.Unmarshal(document, &content); len(document) > 0 && err != nil {
		return nil, schema.GroupVersionKind{}, err
	}
	if content == nil {
		return nil, schema.GroupVersionKind{}, nil
	}
	object := &unstructured.Unstructured{Object: content}
	kind := object.GroupVersionKind()
	if !r.Typed {
		return object, kind, nil
	}
	typed, err := scheme.Scheme.New(kind)
	if err != nil {
		return nil, kind, err
	}
	return typed, kind, runtime.DefaultUnstructuredConverter.FromUnstructured(content, typed)
}
