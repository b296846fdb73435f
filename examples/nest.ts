import 'reflect-metadata';
import { createRescind, nestGuard, type Rescind, streamSource } from '@rescind/client';
import { Controller, Get, HttpException, Module, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';

const { RESCIND_URL, RESCIND_API_KEY, PORT = '8080' } = process.env;

const rescind: Rescind = createRescind({
  source: streamSource({ url: RESCIND_URL!, apiKey: RESCIND_API_KEY! }),
  onProblem: (error) => console.warn(error.message),
});

@Controller()
class MeController {
  @Get('me')
  me(@Req() request: { rescind: { userId: string } }): object {
    return { user: request.rescind.userId };
  }
}

@Module({ controllers: [MeController] })
class AppModule {}

const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false });
app.useGlobalGuards(nestGuard(rescind, HttpException));
await app.listen(Number(PORT));
console.log(`listening on ${new URL(await app.getUrl()).port}`);
