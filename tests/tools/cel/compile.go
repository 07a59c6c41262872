package main

import (
	"fmt"

	v1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	"k8s.io/apiserver/pkg/cel/environment"
)

// strictCost is the feature gate StrictCostEnforcementForVAP, which 1.30 has off.
const strictCost = false

var (
	baseEnv = environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), strictCost)
	// plainCompiler knows no variables: the server checks match conditions with
	// such a one, so a match condition that uses a variable is never stored.
	plainCompiler = cel.NewCompiler(baseEnv)
)

type compileError struct {
	Field  string `json:"field"`
	Name   string `json:"name,omitempty"`
	Detail string `json:"detail"`
}

// compileErrors are those for which the server refuses to store a new policy. It
// follows validateValidatingAdmissionPolicySpec of k8s.io/kubernetes 1.30, which is
// not exported: new expressions may use only what the release before knows too.
func compileErrors(policy *v1.ValidatingAdmissionPolicy) []compileError {
	found := []compileError{}
	check := func(result cel.CompilationResult, name, format string, args ...any) {
		if result.Error != nil {
			found = append(found, compileError{fmt.Sprintf(format, args...), name, result.Error.Detail})
		}
	}
	hasParams := policy.Spec.ParamKind != nil
	declared := cel.OptionalVariableDeclarations{HasParams: hasParams, HasAuthorizer: true, StrictCost: strictCost}
	inMessages := cel.OptionalVariableDeclarations{HasParams: hasParams, StrictCost: strictCost}
	compiler := mustCompositedCompiler()
	for i := range policy.Spec.MatchConditions {
		condition := (*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i])
		result := plainCompiler.CompileCELExpression(condition, declared, environment.NewExpressions)
		check(result, condition.Name, "spec.matchConditions[%d].expression", i)
	}
	for i, variable := range policy.Spec.Variables {
		accessor := &validating.Variable{Name: variable.Name, Expression: variable.Expression}
		result := compiler.CompileAndStoreVariable(accessor, declared, environment.NewExpressions)
		check(result, variable.Name, "spec.variables[%d].expression", i)
	}
	for i, validation := range policy.Spec.Validations {
		condition := &validating.ValidationCondition{Expression: validation.Expression}
		result := compiler.CompileCELExpression(condition, declared, environment.NewExpressions)
		check(result, "", "spec.validations[%d].expression", i)
		if validation.MessageExpression != "" {
			message := &validating.MessageExpressionCondition{MessageExpression: validation.MessageExpression}
			result := compiler.CompileCELExpression(message, inMessages, environment.NewExpressions)
			check(result, "", "spec.validations[%d].messageExpression", i)
		}
	}
	for i, annotation := range policy.Spec.AuditAnnotations {
		condition := &validating.AuditAnnotationCondition{ValueExpression: annotation.ValueExpression}
		result := compiler.CompileCELExpression(condition, declared, environment.NewExpressions)
		check(result, annotation.Key, "spec.auditAnnotations[%d].valueExpression", i)
	}
	return found
}

func mustCompositedCompiler() *cel.CompositedCompiler {
	compiler, err := cel.NewCompositedCompiler(baseEnv)
	if err != nil {
		panic(err) // the environment is a constant: it composes, or this program is broken
	}
	return compiler
}
