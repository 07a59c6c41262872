import { expect, it } from 'vitest'

import { agentWords, healthOf, typeWords } from './environment'

it('calls nothing ready that nobody has told', () => {
  expect(healthOf(undefined)).toBe('Unknown')
  expect(healthOf({})).toBe('Unknown')
  expect(healthOf({ health: 'Expiring' })).toBe('Expiring')
})

it('has words for what it knows, and shows what it does not as it is', () => {
  expect(agentWords(undefined)).toBe('never enrolled')
  expect(typeWords(undefined)).toBe('Kubernetes cluster')
  expect(typeWords('news' as never)).toBe('news')
})
