import { createRoute } from '@tanstack/react-router'

import { root } from '../../root'
import { Login } from './Login'

export const loginRoutes = [
  createRoute({ getParentRoute: () => root, path: '/login', component: Login }),
]
