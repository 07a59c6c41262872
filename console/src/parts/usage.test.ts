import { expect, test } from 'vitest'

import { annotated, deployment, helmValues, kustomizePatch } from './usage'

const annotation = { key: 'portreeve.io/registry.harbor', value: 'harbor' }

test('the annotation stands where each form wants it', () => {
  expect(annotated(annotation)).toBe(
    'spec:\n  template:\n    metadata:\n      annotations:\n        portreeve.io/registry.harbor: harbor\n',
  )
  expect(helmValues(annotation)).toBe('podAnnotations:\n  portreeve.io/registry.harbor: harbor\n')
})

test('a slash in the key is no step of the path of a patch', () => {
  expect(kustomizePatch(annotation)).toContain('/annotations/portreeve.io~1registry.harbor')
})

test('a workload names no secret, and an annotation only where it is needed', () => {
  const text = JSON.stringify(deployment('api', 'shop', 'harbor.example.com/shop/api@sha256:0', 'Always', null))
  expect(text).not.toContain('imagePullSecrets')
  expect(text).not.toContain('annotations')
  expect(JSON.stringify(deployment('api', 'shop', 'a', 'Always', annotation))).toContain('portreeve.io/registry.harbor')
})
